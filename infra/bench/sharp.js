// Answers each line of its input, "<job> <path of a picture>", with what the job cost: {"cpu": ms, "rss": bytes}.
const fs = require('fs');
const sharp = require('sharp');
sharp.concurrency(1);
sharp.cache(false);
const inside = (source, size) => sharp(source).autoOrient().resize(size, size, { fit: 'inside', withoutEnlargement: true }).jpeg({ quality: 80 }).toBuffer();
const jobs = {
  thumbnail: (source) => inside(source, 300),
  all: async (source) => {
    await sharp(source).autoOrient().jpeg({ quality: 80 }).toBuffer();
    for (const size of [600, 300, 150]) await inside(source, size);
  },
};
require('readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const [job, path] = line.split(' ');
  const source = fs.readFileSync(path);
  const before = process.cpuUsage();
  await jobs[job](source);
  const used = process.cpuUsage(before);
  console.log(JSON.stringify({
    cpu: (used.user + used.system) / 1000, rss: process.resourceUsage().maxRSS * 1024,
    versions: `sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}, node ${process.version}`,
  }));
});
