// Answers each line of its input, "<path>\t<directory>", with what the whole job of one upload cost:
// decode once at 600 and derive the smaller sizes; the full size at quality 80. As "decode" it writes
// the pixels, upright and in sRGB, as a PNG.
const fs = require('fs');
const path = require('path');
const sharp = require('sharp');
sharp.concurrency(1);
sharp.cache(false);
const mode = process.argv[2];
const mozjpeg = mode === 'mozjpeg';
const inside = { fit: 'inside', withoutEnlargement: true };

async function job(source) {
  if (mode === 'decode') return { decoded: await sharp(source).autoOrient().png({ compressionLevel: 0 }).toBuffer() };
  const { format, width, height, hasAlpha } = await sharp(source).metadata();
  const made = {};
  if (format === 'jpeg') made.optimized = await sharp(source).autoOrient().jpeg({ quality: 80, mozjpeg }).toBuffer();
  if (format === 'png' && width * height <= 2e6) made.optimized = await sharp(source).autoOrient().png({ compressionLevel: 9 }).toBuffer();
  const large = await sharp(source).autoOrient().resize(600, 600, inside).raw().toBuffer({ resolveWithObject: true });
  for (const [name, size] of [['thumbnail_large', 600], ['thumbnail', 300], ['thumbnail_small', 150]]) {
    const scaled = sharp(large.data, { raw: large.info }).resize(size, size, inside);
    made[name] = await (hasAlpha ? scaled.png() : scaled.jpeg({ quality: 80 })).toBuffer();
  }
  return made;
}

// What process.resourceUsage says is handed down from the process that started this one.
const peak = () => 1024 * /VmHWM:\s*(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1];

require('readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const [file, directory] = line.split('\t');
  const source = fs.readFileSync(file);
  const before = process.cpuUsage();
  const started = process.hrtime.bigint();
  const made = await job(source);
  const wall = Number(process.hrtime.bigint() - started) / 1e6;
  const used = process.cpuUsage(before);
  const bytes = {};
  for (const [name, data] of Object.entries(made)) {
    bytes[name] = data.length;
    fs.writeFileSync(path.join(directory, name), data);
  }
  console.log(JSON.stringify({ cpu: (used.user + used.system) / 1000, wall, rss: peak(), bytes }));
});
