{{- define "enforcer.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "enforcer.configMap" -}}
{{- .Values.existingConfigMap | default (printf "%s-policy" (include "enforcer.name" .)) -}}
{{- end }}

{{- /* What never changes: a selector cannot. */ -}}
{{- define "enforcer.selector" -}}
app.kubernetes.io/name: enforcer
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Those of a pod: the chart's version would replace every pod for nothing. */ -}}
{{- define "enforcer.podLabels" -}}
{{ include "enforcer.selector" . }}
app.kubernetes.io/component: agent
app.kubernetes.io/part-of: enforcer
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "enforcer.labels" -}}
{{ include "enforcer.podLabels" . }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "enforcer.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{- /* Whether the metrics are on the node's address, and the probes with them. */ -}}
{{- define "enforcer.onNode" -}}
{{- if ne .Values.metrics.mode "none" }}yes{{ end -}}
{{- end }}

{{- define "enforcer.metricsArgument" -}}
{{- if not (include "enforcer.onNode" .) -}}
{{- printf "--metrics=127.0.0.1:%d" (int .Values.metrics.port) -}}
{{- else if eq .Values.metrics.ipFamily "IPv6" -}}
{{- printf "--metrics=[$(NODE_IP)]:%d" (int .Values.metrics.port) -}}
{{- else -}}
{{- printf "--metrics=$(NODE_IP):%d" (int .Values.metrics.port) -}}
{{- end -}}
{{- end }}

{{- define "enforcer.probe" -}}
httpGet:
  {{- if not (include "enforcer.onNode" .root) }}
  host: 127.0.0.1
  {{- end }}
  port: metrics
  path: {{ .path }}
{{- end }}

{{- define "enforcer.podAnnotations" -}}
{{- if eq .Values.metrics.mode "annotations" }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .Values.metrics.port | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- if semverCompare "<1.30-0" .Capabilities.KubeVersion.Version }}
container.apparmor.security.beta.kubernetes.io/agent: unconfined
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
