#!/usr/bin/env python3
"""The page's types out of the server's OpenAPI document, as far as routes below /v1/tempo have them:
tools/page-types.py OPENAPI.json >web/src/lib/types.ts (`-` reads the document from standard input).  tests/cli/test_serve.sh says when the file is not up to date."""
import json
import sys


def named(ref):
    return ref.rsplit('/', 1)[1]


def several(types):
    return ' | '.join(dict.fromkeys(types))


def listed(text):
    return f'({text})[]' if ' | ' in text else f'{text}[]'


def literal(value):
    return 'null' if value is None else "'" + value + "'"


def members(schema, without=()):
    required = schema.get('required', [])
    return [(name + ('' if name in required else '?'), typed(one), one.get('description'))
            for name, one in schema['properties'].items() if name not in without]


def of_object(schema):
    rest = schema.get('additionalProperties')
    if not schema.get('properties'):
        return f'Record<string, {typed(rest) if isinstance(rest, dict) else "unknown"}>'
    text = '{ ' + '; '.join(f'{name}: {type}' for name, type, _ in members(schema)) + ' }'
    return f'({text} & Record<string, unknown>)' if rest is True else text


def of_type(name, schema):
    if name == 'object':
        return of_object(schema)
    if name == 'array':
        return listed(typed(schema.get('items', {})))
    return {'integer': 'number', 'number': 'number', 'string': 'string', 'boolean': 'boolean', 'null': 'null'}[name]


def typed(schema):
    if '$ref' in schema:
        return named(schema['$ref'])
    if 'enum' in schema:
        return several(literal(v) for v in schema['enum'])
    if 'oneOf' in schema:
        return several(typed(one) for one in schema['oneOf'])
    types = schema.get('type')
    if types is None:
        return 'unknown'
    return several(of_type(name, schema) for name in ([types] if isinstance(types, str) else types))


def loose(schema):
    """The same with texts of any kind: what a request may say is the server's to judge."""
    if isinstance(schema, list):
        return [loose(v) for v in schema]
    if not isinstance(schema, dict):
        return schema
    return {'type': 'string'} if 'enum' in schema else {key: loose(v) for key, v in schema.items()}


def declared(name, schema, options=()):
    """options: of decoding, which a request has by the names that /v1/tempo/info lists; () where it is no request."""
    if not schema.get('properties'):
        return f'export type {name} = {typed(schema)};'
    lines = [f'export interface {name} {{']
    for member, type, words in members(loose(schema) if options else schema, options):
        if words and not options:
            lines.append(f'  /** {words[0].upper()}{words[1:]}. */')
        lines.append(f'  {member}: {type};')
    if options or schema.get('additionalProperties') is True:
        lines.append('  [other: string]: unknown;')
    return '\n'.join(lines + ['}'])


def references(v):
    """Names of the types that v speaks of."""
    if isinstance(v, list):
        return {name for one in v for name in references(one)}
    if not isinstance(v, dict):
        return set()
    own = {named(v['$ref'])} if '$ref' in v else set()
    return own | {name for one in v.values() for name in references(one)}


def main():
    with (sys.stdin if sys.argv[1] == '-' else open(sys.argv[1], encoding='utf-8')) as f:
        document = json.load(f)
    options = document['components']['schemas']['DecodingOptions']['properties'].keys() - {'edits'}
    requests = {named(o['requestBody']['content']['application/json']['schema']['$ref'])
                for path in document['paths'].values() for o in path.values() if 'requestBody' in o}
    schemas = document['components']['schemas']
    used = references([path for name, path in document['paths'].items() if name.startswith('/v1/tempo/')])
    while (more := used | references([schemas[name] for name in used])) != used:
        used = more
    print("// What the server sends and takes.  Made by tools/page-types.py from /openapi.json: not edited by hand.")
    for name, schema in schemas.items():
        if name in used:
            print('\n' + declared(name, schema, options if name in requests else ()))


main()
