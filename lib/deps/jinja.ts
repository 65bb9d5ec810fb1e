/**
 * Jinja templates, as far as chat templates use them; imported by a computed address when there is a chat to write.
 * An interpreter: nothing in a template is evaluated as JavaScript.
 *
 * @module
 */
export { Environment, Interpreter, Template } from "npm:@huggingface/jinja@0.5.11";
