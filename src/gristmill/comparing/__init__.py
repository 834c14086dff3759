"""Two models side by side: what the one costs against the other.

    two model strings ──sides──> two reward models, or two chat models
    rows ──read──> what they are asked ──ask──> what each said (models/*/said.log)
    both  ──grades | answers──> figures ──> a table, metrics.json, report.html

`run.compare` does all of it. What a model said is kept by the content of the question, so that a
run that was stopped goes on, and other figures of the same rows cost no call. A is what one has,
B what one might take instead: differences are B less A.
"""
