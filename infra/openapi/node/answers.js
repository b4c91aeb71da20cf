// Reads an OpenAPI 3.1 document (argument) and exchanges (JSON lines on standard input), and prints
// what an exchange has that the document lacks, a line each.
const fs = require('fs');
const Ajv = require('ajv/dist/2020').default;
const formats = require('ajv-formats').default;

const document = JSON.parse(fs.readFileSync(process.argv.at(-1), 'utf8'));
const ajv = new Ajv({ strict: false, allErrors: false });
formats(ajv);
ajv.addSchema(document, 'document');

// Headers that say something about the answer. Others come from whoever passes it on.
const told = ['location', 'retry-after', 'allow', 'www-authenticate', 'etag', 'link', 'complete-through', 'next-cursor'];

const pointer = (...parts) =>
	'document#/' + parts.map((p) => encodeURIComponent(p.replace(/~/g, '~0').replace(/\//g, '~1'))).join('/');

// Of two routes that a path fits, the one with the earlier literal is meant.
const routes = Object.keys(document.paths).sort((a, b) => (a.replace(/\{/g, '~') < b.replace(/\{/g, '~') ? -1 : 1));
function route(path) {
	return routes.find((r) =>
		new RegExp('^' + r.replace(/[.+*?^$()[\]\\|]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+') + '$').test(path));
}

function fault(e) {
	const path = route(e.path);
	const operation = path && document.paths[path][e.method.toLowerCase()];
	if (!operation) return null; // there is no such route: nothing is said about its answer
	const response = operation.responses[e.status];
	if (!response) return `status ${e.status} is not in the document`;
	const declared = Object.keys(response.headers || {}).map((h) => h.toLowerCase());
	const extra = e.headers.map((h) => h.toLowerCase()).find((h) => told.includes(h) && !declared.includes(h));
	if (extra) return `header ${extra} is not in the document`;
	if (!response.content) return e.body ? 'the document has no body' : null;
	const type = (e.type || '').split(';')[0].trim();
	if (!response.content[type]) return `content type ${type || 'none'} is not in the document`;
	let body = e.body; // text is a string to the schema
	try {
		if (/[/+]json$/.test(type)) body = JSON.parse(e.body);
	} catch (error) {
		return `the body is no JSON: ${error.message}`;
	}
	const where = pointer('paths', path, e.method.toLowerCase(), 'responses', String(e.status), 'content', type, 'schema');
	const check = ajv.getSchema(where) || ajv.compile({ $ref: where });
	if (check(body)) return null;
	const first = check.errors[0];
	return `${first.instancePath || 'the body'} ${first.message} ${JSON.stringify(first.params)}`;
}

let seen = 0;
for (const line of fs.readFileSync(0, 'utf8').split('\n').filter((l) => l)) {
	const exchange = JSON.parse(line);
	seen++;
	const what = fault(exchange);
	if (what) console.log(`${exchange.method} ${exchange.path} ${exchange.status}: ${what}`);
}
console.error(`${seen} answers`);
