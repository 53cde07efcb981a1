// Holds the PodMonitors on standard input against the schema of their definition, which is in the
// folder of npm's packages that is the first argument.

import { readFileSync } from "node:fs";

const model = "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor.js";
const { PodMonitor } = await import(`${process.argv[2]}/node_modules/${model}`);
const offences = [];
for (const document of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new PodMonitor(document).validate();
  } catch (error) {
    offences.push(error.message);
  }
}
process.stdout.write(JSON.stringify(offences));
