"""Holds the documents on standard input against the schemas of Kubernetes, strictly.

The argument is the oldest version; every later one whose schemas there are is taken as well.
"""

import functools
import json
import sys

import kubernetes_validate
from kubernetes_validate import utils

# It reads megabytes of definitions anew for every document.
utils.schema_contents = functools.cache(utils.schema_contents)

oldest = utils.Version(sys.argv[1])
versions = [version for version in utils.all_versions() if utils.Version(version) >= oldest]
versions = sorted({utils.major_minor(version) for version in versions}, key=utils.Version)
documents, offences = json.load(sys.stdin), []
for document in documents:
    for version in versions:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            place = ".".join(str(part) for part in error.path)
            offences.append(f"{version}: {document['kind']} {place}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            offences.append(f"{version}: {error.message}")
json.dump({"versions": versions, "offences": offences}, sys.stdout)
