{{/* Refuses values that would install something that cannot work or keep its promises. */}}
{{- define "conferencing.checks" -}}
{{- with .Values -}}
{{- if not .upstream.region -}}
{{- fail "upstream.region: which Nylas? us, eu or a URL" -}}
{{- end -}}
{{- if not .upstream.apiKey.secretName -}}
{{- fail "upstream.apiKey.secretName: the Secret that holds the API key is needed" -}}
{{- end -}}
{{- if not (or .ledger.postgresql.secretName .ledger.sqlite.enabled) -}}
{{- fail "ledger: where is it kept? ledger.postgresql.secretName, or ledger.sqlite.enabled for one replica" -}}
{{- end -}}
{{- if and .ledger.postgresql.secretName .ledger.sqlite.enabled -}}
{{- fail "ledger: PostgreSQL and SQLite exclude each other" -}}
{{- end -}}
{{- if and .ledger.sqlite.enabled (or .autoscaling.enabled (ne (int .replicas) 1)) -}}
{{- fail "ledger.sqlite: a file serves one replica; more of them, and autoscaling, need ledger.postgresql.secretName, or replicas: 1" -}}
{{- end -}}
{{- if and .tls.clientCa.secretName (not .tls.secretName) -}}
{{- fail "tls.clientCa: callers' certificates need tls.secretName" -}}
{{- end -}}
{{- if and .telemetry.prometheus.serviceMonitor.enabled (not .telemetry.prometheus.enabled) -}}
{{- fail "telemetry.prometheus.serviceMonitor: needs telemetry.prometheus.enabled" -}}
{{- end -}}
{{- if and .autoscaling.enabled (lt (int .autoscaling.maxReplicas) (int .autoscaling.minReplicas)) -}}
{{- fail "autoscaling: maxReplicas is below minReplicas" -}}
{{- end -}}
{{- end -}}
{{- end -}}
