"""Writes chats.json: chats as transformers' apply_chat_template renders and tokenizes them (transformers 5.23.0).

    python make.py        (needs transformers with jinja2)

The templates are those of well-known families, with the small tokenizers of tests/data/models beside them. A case with
a prefix is rendered with the answer's beginning as last message and continue_final_message. A case that the template
refuses has an error instead.
"""
import json, os, tempfile
from transformers import PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))

GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}")

LLAMA_3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
    "message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")

# Blocks on lines of their own, a date, and what is there only if it is given, as in Llama 3.2.
LLAMA_3_2 = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

CHATML = """{% for message in messages %}
    {% if loop.first and messages[0]['role'] != 'system' %}
        {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
    {% endif %}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{% endfor %}
{% if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{% endif %}
"""

LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")

USER = {"role": "user", "content": " Which sport does Tiger Woods play?\nSay one word: naïve 🐯! "}
SYSTEM = {"role": "system", "content": "You answer briefly."}
ANSWER = {"role": "assistant", "content": "Golf."}
AGAIN = {"role": "user", "content": "And Serena Williams <|endoftext|> <eos> </s>?"}

# Tools and their calls, thinking under its own name, an answer that is gone on with: as in Qwen 3 and Hermes.
TOOLS = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {%- if message.content is string %}
            {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' }}
            {%- for part in message.content %}{{- part.text if part.type == 'text' else '[image]' }}{%- endfor %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if message.reasoning_content %}
            {{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}
        {%- endif %}
        {%- if message.content %}
            {{- message.content | trim }}
        {%- endif %}
        {%- for call in message.tool_calls or [] %}
            {{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The weather at a place – now",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer", "default": 1}},
                   "required": ["place"]}}}
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"type": "function", "function": {"name": "weather", "arguments": {"place": "Zürich", "days": 2}}}]}
RESPONSE = {"role": "tool", "name": "weather", "content": '{"sky": "clear"}'}
THOUGHT = {"role": "assistant", "reasoning_content": "A golfer.", "content": "Golf."}
PARTS = {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "image"}, {"type": "text", "text": " what is it?"}]}
OPEN = {"role": "assistant", "content": "It is golf, because "}

CONVERSATIONS = [  # messages, what else
    ([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather in Zürich?"}], {"tools": [WEATHER]}),
    ([{"role": "user", "content": "Weather?"}, CALL, RESPONSE], {"tools": [WEATHER, WEATHER]}),
    ([{"role": "user", "content": "Which sport?"}, THOUGHT, {"role": "user", "content": "Why?"}], {}),
    ([{"role": "user", "content": "Which sport?"}], {"thinking": False}),
    ([{"role": "user", "content": "Which sport?"}], {"thinking": True}),
    ([PARTS], {}),
    ([{"role": "user", "content": "Which sport?"}, OPEN], {"continue": True}),
    ([{"role": "user", "content": "Which sport?"}, {**OPEN, "content": "It is"}], {"continue": True}),
]

TEMPLATES = {  # template, model, in a chat_template.jinja of its own, values that it reads
    "Gemma": (GEMMA, "gemma2", False, [{}]),
    "Llama 3": (LLAMA_3, "llama31", False, [{}]),
    "Llama 3.2": (LLAMA_3_2, "llama31", True, [{"date_string": "26 Jul 2024"}]),
    "ChatML": (CHATML, "qwen2", True, [{}, {"enable_thinking": False}]),
    "Llama 2": (LLAMA_2, "llama", False, [{}]),
}


def main():
    out = []
    for name, (template, model, own_file, values) in TEMPLATES.items():
        directory = os.path.join(HERE, "..", "models", model)
        config = json.load(open(os.path.join(directory, "tokenizer_config.json")))
        special = {key: value for key, value in config.items() if key.endswith("_token") and value is not None}
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(directory, "tokenizer.json"), **special)
        if own_file:  # as transformers reads the file
            with tempfile.TemporaryDirectory() as saved:
                tokenizer.chat_template = template
                tokenizer.save_pretrained(saved)
                tokenizer = PreTrainedTokenizerFast.from_pretrained(saved)
                assert os.path.exists(os.path.join(saved, "chat_template.jinja"))
        else:
            tokenizer.chat_template = template
        cases = []
        for messages in ([USER], [SYSTEM, USER], [USER, ANSWER, AGAIN]):
            for prefix in (None, "It is"):
                for variables in values:
                    case = {"messages": messages, "prefix": prefix, "variables": variables}
                    with_prefix = messages + ([{"role": "assistant", "content": prefix}] if prefix else [])
                    how = {"continue_final_message": True} if prefix else {"add_generation_prompt": True}
                    if prefix and (name == "Llama 2" or "enable_thinking" in variables):
                        continue  # what stands between prompt and answer is no generation prompt there
                    try:
                        case["text"] = tokenizer.apply_chat_template(with_prefix, tokenize=False, **how, **variables)
                        case["tokens"] = tokenizer.apply_chat_template(
                            with_prefix, tokenize=True, return_dict=False, **how, **variables)
                    except Exception as error:
                        case["error"] = str(error)
                    cases.append(case)
        out.append({"name": name, "model": model, "own_file": own_file, "template": template, "cases": cases})
    write_conversations()
    with open(os.path.join(HERE, "chats.json"), "w") as f:
        f.write("[" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in out) + "]\n")


def write_conversations():
    """Writes conversations.json: tools, calls, thinking and open answers, rendered with TOOLS."""
    directory = os.path.join(HERE, "..", "models", "qwen2")
    config = json.load(open(os.path.join(directory, "tokenizer_config.json")))
    special = {key: value for key, value in config.items() if key.endswith("_token") and value is not None}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(directory, "tokenizer.json"), **special)
    tokenizer.chat_template = TOOLS
    cases = []
    for messages, how in CONVERSATIONS:
        end = {"continue_final_message": True} if how.get("continue") else {"add_generation_prompt": True}
        thinking = {"enable_thinking": how["thinking"]} if "thinking" in how else {}
        given = {**end, **thinking, "tools": how.get("tools")}
        cases.append({
            "messages": messages, **how,
            "text": tokenizer.apply_chat_template(messages, tokenize=False, **given),
            "tokens": tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False, **given)})
    with open(os.path.join(HERE, "conversations.json"), "w") as f:
        json.dump({"template": TOOLS, "model": "qwen2", "cases": cases}, f, ensure_ascii=False, indent=1)
        f.write("\n")


main()
