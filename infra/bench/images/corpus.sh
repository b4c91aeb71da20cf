#!/bin/bash
# Makes the corpus of infra/bench/images in the directory $1: variants of the samples of the local
# stack (infra/local/samples, CREDITS.md says whose they are), with libjpeg-turbo's tools.
set -eu -o pipefail
here="$(cd "$(dirname "$0")" && pwd)"
samples="$(cd "$(dirname "$0")/../../local/samples" && pwd)"
cd "$1"
sums="$here/samples.sha256"
(cd "$samples" && sha256sum --quiet --check "$sums")
for name in dogs-phone sunset-12mp dandelion-16mp; do
  cp "$samples/$name.jpg" "$name.jpg"
  djpeg "$samples/$name.jpg" > full.ppm
  djpeg -scale 1/2 "$samples/$name.jpg" > half.ppm
  cjpeg -quality 95 -sample 2x2 -outfile "$name-q95-420.jpg" full.ppm
  cjpeg -quality 92 -sample 2x1 -restart 1 -outfile "$name-q92-422-restart.jpg" full.ppm
  cjpeg -quality 92 -sample 1x1 -outfile "$name-q92-444.jpg" full.ppm
  cjpeg -quality 90 -progressive -outfile "$name-q90-progressive.jpg" full.ppm
  cjpeg -quality 90 -sample 2x2 -outfile "$name-half-q90-420.jpg" half.ppm
  cjpeg -quality 70 -sample 2x2 -outfile "$name-q70-420.jpg" full.ppm
done
cjpeg -quality 92 -grayscale -outfile dogs-phone-q92-grey.jpg <(djpeg "$samples/dogs-phone.jpg")
djpeg -scale 2/1 "$samples/sunset-12mp.jpg" | cjpeg -quality 90 -sample 2x2 -outfile sunset-48mp-q90-420.jpg
rm -f full.ppm half.ppm
