// The package finds the `XMLHttpRequest` that `platform.mjs` has set.
import "whatwg-fetch";
