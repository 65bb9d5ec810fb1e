/**
 * The bundler, of which only tasks know; its package has a program for each system.
 *
 * @module
 */
export { build, stop } from "npm:esbuild@0.25.10";
export type { BuildResult, Metafile, Plugin } from "npm:esbuild@0.25.10";
