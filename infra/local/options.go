package main

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/toolboxai-solutions/satchel/infra/local/stack"
)

// options of the command. Paths are absolute: the S3 server changes the working directory.
type options struct {
	stack     stack.Options
	screen    io.Writer
	readyFile string
	demo      bool
	explain   bool
	files     []string
	samples   string // directory of what is sent when no file is named
	pictures  string // directory where a demo saves what it downloads
	clean     bool
	left      []string // data directories that clean removes
	logs      bool
	words     []string // what each line of the log has to hold
}

func parse(arguments []string) (o options, err error) {
	data, err := defaultData()
	if err != nil {
		return o, err
	}
	f := flag.NewFlagSet("local", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(os.Stderr, "usage: go run ./infra/local [flags]              start, send the "+
			"sample photos, keep serving\n"+
			"       go run ./infra/local [flags] -demo [files]   send the files (or the "+
			"samples), print what became of them, end\n"+
			"       go run ./infra/local [flags] -logs [words]   follow the functions' log, the lines "+
			"that hold each word\n")
		f.PrintDefaults()
	}
	f.BoolVar(&o.demo, "demo", o.demo,
		"send the files named after the flags, then end: 0 if each was refused or reached a final state")
	list := f.String("files", "",
		"with -demo: the names of files as one text, which may hold spaces, quotes and parentheses")
	f.StringVar(&o.readyFile, "ready-file", "",
		"write a JSON file that tells where everything is, when everything answers")
	f.StringVar(&o.stack.DataDir, "data", "",
		"directory that keeps everything from run to run (default "+data+
			", with -demo an empty "+data+"-demo;\nas root not in the working directory, because "+
			"PostgreSQL runs as another user who has to reach it)")
	f.BoolVar(&o.stack.Fresh, "fresh", false, "start with nothing: empty the data directory first")
	f.StringVar(&o.stack.Template, "template", "",
		"description of what runs (default: the nearest template.yaml, here or above)")
	f.IntVar(&o.stack.Port, "port", 0,
		"port of the API; S3 has the next one (default: those of the last start, or free ones)")
	f.BoolVar(&o.explain, "explain", false,
		"say what is not here as the template has it, and why, and end")
	f.BoolVar(&o.clean, "clean", false,
		"delete what stacks and demos kept (with -data: that directory), and end")
	f.BoolVar(&o.logs, "logs", false,
		"follow the log of the functions until Ctrl-C; words after the flags narrow it")
	f.StringVar(&o.stack.Clamd, "clamd", "",
		"address of a running clamd (tcp://host:port or unix:///path), or off\n(default: one "+
			"that is installed is started privately)")
	f.StringVar(&o.stack.BinDir, "bin", "",
		"directory with <function>/bootstrap for this machine (default: build them from source)")
	if err := f.Parse(arguments); err != nil {
		return o, err
	}
	if o.logs {
		o.words = f.Args()
	} else if o.files = slices.Concat(f.Args(), split(*list)); len(o.files) > 0 && !o.demo {
		return o, fmt.Errorf("what to do with %q? Files are sent with -demo", o.files[0])
	}
	o.left = []string{o.stack.DataDir}
	if o.stack.DataDir == "" {
		o.left = []string{data, data + "-demo"}
		o.stack.DataDir = data
		if o.demo {
			// Of its own and always new, so that a demo runs beside a stack that is being used.
			o.stack.DataDir, o.stack.Fresh = data+"-demo", true
		}
	}
	o.screen, o.stack.Progress = os.Stdout, os.Stdout
	o.samples, o.pictures = filepath.Join("infra", "local", "samples"),
		filepath.Join(".satchel", "pictures")
	return o, o.absolute()
}

func (o *options) absolute() (err error) {
	paths := []*string{&o.stack.DataDir, &o.stack.BinDir, &o.stack.Template, &o.readyFile,
		&o.samples, &o.pictures}
	for i := range o.left {
		paths = append(paths, &o.left[i])
	}
	for i := range o.files {
		paths = append(paths, &o.files[i])
	}
	for _, path := range paths {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return fmt.Errorf("find %s: %w", *path, err)
		}
	}
	return nil
}

// defaultData is .satchel here. For root it is out of root's home, one directory for each working
// directory.
func defaultData() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	if os.Geteuid() != 0 {
		return filepath.Join(here, ".satchel", "data"), nil
	}
	sum := sha256.Sum256([]byte(here))
	return filepath.Join("/var/lib/satchel", filepath.Base(here)+"-"+hex.EncodeToString(sum[:4])),
		nil
}
