/** The page of `serve`: this server answers. */
import { HttpEngine } from "./http_engine.ts";
import { startPage } from "./page.ts";

startPage(new HttpEngine());
