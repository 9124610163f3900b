// Prints the descriptions of all built-in operations as JSON, for the build to put into the executable.
import { builtin } from "../src/builtin.ts";
import { Registry } from "../src/contract/registry.ts";

console.log(JSON.stringify(new Registry(Object.values(builtin)).describe()));
