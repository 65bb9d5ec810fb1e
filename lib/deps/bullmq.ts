/**
 * The queue on Redis, imported by a computed address by the commands that use one.
 *
 * BullMQ needs msgpackr-extract at any version from 3.0.4 on; naming that one first makes it the one that is taken.
 * Registries that mirror npm often lack some of the per-system packages of the newest.
 *
 * @module
 */
import "npm:msgpackr-extract@3.0.4";
export { Queue, UnrecoverableError, Worker } from "npm:bullmq@6.7.0";
export { Redis } from "npm:ioredis@6.0.0";
