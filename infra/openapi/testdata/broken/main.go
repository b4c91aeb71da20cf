package main

func main() { describe() }
