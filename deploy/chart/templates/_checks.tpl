{{/* Refuses values that would install something that cannot work or keep its promises. */}}
{{- define "conferencing.checks" -}}
{{- with .Values -}}
{{- if not .upstream.region -}}
{{- fail "upstream.region: which Nylas? us, eu or a URL" -}}
{{- end -}}
{{- if .upstream.hosts -}}
{{- $host := printf "api.%s.nylas.com" .upstream.region -}}
{{- if hasPrefix "https://" .upstream.region -}}
{{- $host = (urlParse .upstream.region).host | lower | trimSuffix ":443" -}}
{{- end -}}
{{- if not (or (has $host .upstream.hosts) (has (printf "%s:443" $host) .upstream.hosts)) -}}
{{- fail (printf "upstream.hosts: %s, where upstream.region is, has to be among them" $host) -}}
{{- end -}}
{{- else if not (has .upstream.region (list "us" "eu" "https://api.us.nylas.com" "https://api.eu.nylas.com")) -}}
{{- fail "upstream.region: a host that is not Nylas' own has to stand in upstream.hosts" -}}
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
{{- $sources := compact (list .tokens.keys.url .tokens.keys.configMapName .tokens.keys.secretName) -}}
{{- $told := len (compact (list .tokens.issuer .tokens.audience (first $sources))) -}}
{{- if and (gt $told 0) (lt $told 3) -}}
{{- fail "tokens: issuer, audience and one of keys.url, keys.configMapName and keys.secretName need each other" -}}
{{- end -}}
{{- if gt (len $sources) 1 -}}
{{- fail "tokens.keys: url, configMapName and secretName exclude each other" -}}
{{- end -}}
{{- if and .policy.inline .policy.configMapName -}}
{{- fail "policy: inline and configMapName exclude each other" -}}
{{- end -}}
{{- if and .tokens.issuer (not (or .policy.inline .policy.configMapName)) -}}
{{- fail "tokens: what may their bearers do? policy.inline or policy.configMapName is needed" -}}
{{- end -}}
{{- if not (or .tokens.issuer .tls.clientCa.secretName) -}}
{{- if or .policy.inline .policy.configMapName -}}
{{- fail "policy: needs callers that are known, by tokens or by tls.clientCa" -}}
{{- end -}}
{{- if not .allowUnauthenticatedCallers -}}
{{- fail "who may call? Name tokens and a policy, or tls.clientCa; or say allowUnauthenticatedCallers: true, where a mesh or a NetworkPolicy keeps strangers out" -}}
{{- end -}}
{{- end -}}
{{- if and .telemetry.prometheus.serviceMonitor.enabled (not .telemetry.prometheus.enabled) -}}
{{- fail "telemetry.prometheus.serviceMonitor: needs telemetry.prometheus.enabled" -}}
{{- end -}}
{{- if and .autoscaling.enabled (lt (int .autoscaling.maxReplicas) (int .autoscaling.minReplicas)) -}}
{{- fail "autoscaling: maxReplicas is below minReplicas" -}}
{{- end -}}
{{- end -}}
{{- end -}}
