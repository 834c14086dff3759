"""Models over HTTP, as OpenAI's interface has them (extra `serve`).

asked       what requests may say, and what is refused
models      the models of this process, each with its places
chat, completions, grading, embedding     one kind of request each
growing     a text that grows, taken apart as it comes
app         all of it as one application; guard stands before it, figures counts
run         `gristmill serve`: the process, its port, its end
vllm, jobs  `gristmill serve --engine vllm`: the engine's command line, and files that start it
"""
