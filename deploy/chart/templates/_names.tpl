{{/* The name of everything in a release. */}}
{{- define "conferencing.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What finds the pods of a release; never changed, since a Deployment's selector cannot be. */}}
{{- define "conferencing.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "conferencing.labels" -}}
{{ include "conferencing.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "conferencing.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "conferencing.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "conferencing.name" .) }}
{{- end -}}

{{/* Where probes ask: they know no TLS. */}}
{{- define "conferencing.probePort" -}}
{{ if .Values.tls.secretName }}50052{{ else }}50051{{ end }}
{{- end -}}

{{/* Seconds from SIGTERM to SIGKILL: what the server takes at most, and a margin to flush telemetry. */}}
{{- define "conferencing.gracePeriod" -}}
{{ add (addf .Values.shutdown.drainWait .Values.shutdown.grace | ceil | int) 15 }}
{{- end -}}

{{/* The ConfigMap that holds the policy; nothing where there is no policy. */}}
{{- define "conferencing.policy" -}}
{{- if .Values.policy.inline -}}
{{ include "conferencing.name" . }}-policy
{{- else -}}
{{ .Values.policy.configMapName }}
{{- end -}}
{{- end -}}
