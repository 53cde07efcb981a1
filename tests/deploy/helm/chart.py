"""Lints the chart in the folder that is the first argument, or renders it with the values on
standard input, as the release `enforcer` in the namespace `enforcer-system`."""

import json
import sys

import helm_python
import yaml

folder, verb = sys.argv[1:3]
if verb == "lint":
    answer = helm_python.lint(folder, strict=True, kube_version=sys.argv[3])
else:
    try:
        with helm_python.Chart.load(folder) as chart:
            files = chart.render(
                json.load(sys.stdin), name="enforcer", namespace="enforcer-system"
            )
        notes = [text for name, text in files.items() if name.endswith("NOTES.txt")]
        manifests = [text for name, text in files.items() if name.endswith(".yaml")]
        objects = [one for text in manifests for one in yaml.safe_load_all(text) if one]
        answer = {"objects": objects, "notes": notes[0]}
    except helm_python.HelmError as error:
        answer = {"refused": str(error)}
json.dump(answer, sys.stdout)
