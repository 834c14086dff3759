"""Where gristmill speaks: the console, and what is redrawn on it while work goes on."""
