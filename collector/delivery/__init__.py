"""The log, its cursors, and the runners that feed exporters."""
