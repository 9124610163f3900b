import manifest from "../package.json" with { type: "json" };

/** Version of this program (semver), from package.json. */
export const VERSION: string = manifest.version;
