/** Packages that only these tests use. */
export { Ajv2020 } from "npm:ajv@8.17.1/dist/2020.js";
