#!/bin/bash
# Makes the corpus of infra/bench/images in the directory $1: the pictures that corpus.tsv lists, as
# Debian packages and Go modules carry them, and variants of them for what no camera at hand writes.
# It needs apt-get, go and libjpeg-turbo's tools, and fetches 300 MB the first time.
set -eu -o pipefail
here="$(cd "$(dirname "$0")" && pwd)"
mkdir -p "$1/parts"
cd "$1"
list() { grep -v '^#' "$here/corpus.tsv"; }

list | while IFS=$'\t' read -r sum name kind package path; do
  echo "$sum  $name"
done > sha256
if ! sha256sum --quiet --check sha256 2> /dev/null; then
  for package in $(list | awk -F '\t' '$3 == "deb" {print $4}' | sort -u); do
    (cd parts && rm -f "$package"_*.deb && apt-get -q download "$package")
    dpkg-deb -x parts/"$package"_*.deb "parts/$package"
  done
  list | while IFS=$'\t' read -r sum name kind package path; do
    case $kind in
    deb) cp "parts/$package/$path" "$name" ;;
    go) cp "$(cd parts && go mod download -json "$package" | awk -F '"' '$2 == "Dir" {print $4}')/$path" "$name" ;;
    esac
    chmod u+w "$name"
  done
  sha256sum --quiet --check sha256
  rm -f variants
fi
rm -rf parts
[ ! -e variants ] || exit 0

# oriented gives a file without Exif an orientation; its coded data stays the camera's.
oriented() {
  printf '\xff\xd8\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00'"\\x0$1"'\x00\x00\x00\x00\x00\x00'
  tail -c +3
}
# jpegtran changes how coefficients are coded, or leaves some out, and keeps those that it writes.
jpegtran -copy none galaxy-s8.jpg | oriented 3 > galaxy-s8-orientation-3.jpg
jpegtran -copy none galaxy-s8.jpg | oriented 6 > galaxy-s8-orientation-6.jpg
jpegtran -copy none canon-5d3.jpg | oriented 8 > canon-5d3-orientation-8.jpg
jpegtran -copy none bird.jpg | oriented 6 > bird-orientation-6.jpg
jpegtran -copy none -restart 1 nikon-p7000.jpg > nikon-p7000-restart.jpg
jpegtran -copy none -progressive iphone-xs.jpg | oriented 6 > iphone-xs-progressive.jpg
jpegtran -copy none -progressive canon-5d3.jpg > canon-5d3-progressive.jpg
jpegtran -copy none -grayscale iphone-xs.jpg > iphone-xs-grey.jpg
# Written anew, for sizes and samplings that are missing: 48 MP, and a large baseline 4:4:4.
djpeg -scale 2/1 iphone-xs.jpg | cjpeg -quality 90 -sample 2x2 > iphone-xs-48mp.jpg
djpeg galaxy-s8.jpg | cjpeg -quality 92 -sample 1x1 > galaxy-s8-444.jpg
touch variants
