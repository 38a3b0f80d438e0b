{{/* Contradictions between values that hold for the whole release; takes the root. */}}
{{- define "qwen3-vl.releaseContradictions" -}}
{{- $values := .Values -}}
{{- if not $values.pools }}
pools has no entry: nothing would be served. Write one, such as pools.thinking: {}.
{{- end }}
{{- range $name, $_ := $values.pools }}
{{- if regexMatch "^(weights|verify|loadtest)$|-(engine|admin|epp)$" $name }}
pools has {{ $name }}, and weights, verify, loadtest and what ends in -engine, -admin or -epp are names of other parts. Take another name.
{{- end }}
{{- end }}
{{- if eq $values.image.tag "latest" }}
image.tag is latest: a restart might change the version. Write a version, or set image.digest.
{{- end }}
{{- range $key, $_ := $values.commonLabels }}
{{- if or (hasPrefix "app.kubernetes.io/" $key) (hasPrefix "helm.sh/" $key) }}
commonLabels has {{ $key }}, a label that the chart sets itself. Take another prefix.
{{- end }}
{{- end }}
{{- if and $values.offline (or $values.huggingFace.endpoint $values.huggingFace.tokenSecret $values.huggingFace.caSecret) }}
offline is true and huggingFace.endpoint, huggingFace.tokenSecret or huggingFace.caSecret is set: nothing is downloaded. Empty them, or set offline to false.
{{- end }}
{{- if and $values.offline $values.proxy.url }}
offline is true and proxy.url is {{ $values.proxy.url }}: nothing is downloaded. Empty proxy.url, or set offline to false.
{{- end }}
{{- include "qwen3-vl.policyContradictions" $values }}
{{- include "qwen3-vl.loadtestContradictions" $values }}
{{- include "qwen3-vl.sharedContradictions" . }}
{{- end -}}

{{/* What is set up and closed off by the network policies at once; takes the values. */}}
{{- define "qwen3-vl.policyContradictions" -}}
{{- $policy := .networkPolicy -}}
{{- if $policy.enabled -}}
{{- if and .proxy.url $policy.internet }}
proxy.url is {{ .proxy.url }} and networkPolicy.internet is true: pods could go past the proxy. Set networkPolicy.internet to false.
{{- end }}
{{- if and .proxy.url (not $policy.proxy) }}
proxy.url is {{ .proxy.url }} and networkPolicy.proxy names no peer: the proxy would be closed off. List its peers there.
{{- end }}
{{- if and .store.existingSecret (not $policy.store) (not $policy.extraEgress) }}
store.existingSecret is set and networkPolicy.store names no peer: the database would be closed off. List its peers there, or in networkPolicy.extraEgress with another port.
{{- end }}
{{- end -}}
{{- end -}}

{{/* What a load test is asked twice, or cannot find; takes the values. */}}
{{- define "qwen3-vl.loadtestContradictions" -}}
{{- if and .loadtest.pool (not (hasKey .pools .loadtest.pool)) }}
loadtest.pool is {{ .loadtest.pool }} and pools has {{ keys .pools | sortAlpha | join ", " | default "none" }}. Name one of them, or none for the first.
{{- end }}
{{- if and (toString .loadtest.rate) (toString .loadtest.users) }}
loadtest.rate and loadtest.users are both set: requests arrive at a rate, or users wait for each answer. Empty one of them.
{{- end }}
{{- if and (eq (int64 .loadtest.durationSeconds) 0 | not) (not (toString .loadtest.rate)) (not (toString .loadtest.users)) }}
loadtest.durationSeconds is set and neither loadtest.rate nor loadtest.users: the scenario has its own steps. Set one of them, or the duration to 0.
{{- end }}
{{- end -}}

{{/* What two pools both claim and only one can have; takes the root. */}}
{{- define "qwen3-vl.sharedContradictions" -}}
{{- $owners := dict -}}
{{- range include "qwen3-vl.each" (dict "root" . "template" "qwen3-vl.claimedByPool" "plain" true) | splitList "\n" | compact -}}
{{- $line := splitn " " 2 . -}}
{{- if ne (get $owners $line._1) $line._0 -}}
{{- with get $owners $line._1 }}
pools.{{ . }} and pools.{{ $line._0 }} have the same {{ $line._1 }}. Give each pool its own{{ if hasPrefix "weights" $line._1 }}, or one that is ReadWriteMany{{ end }}.
{{- end }}
{{- end -}}
{{- $_ := set $owners $line._1 $line._0 -}}
{{- end -}}
{{- end -}}

{{/* What a pool claims for itself alone, each after the pool's name. */}}
{{- define "qwen3-vl.claimedByPool" -}}
{{- if .pool.route.enabled -}}
{{- range .pool.route.hostnames }}
{{ $.name }} route.hostnames: {{ . }}
{{- end -}}
{{- end -}}
{{- if and .pool.ingress.enabled .pool.ingress.host }}
{{ .name }} ingress.host: {{ .pool.ingress.host }}
{{- end -}}
{{- $claim := .pool.weights.claim -}}
{{- if and (eq .pool.weights.source "claim") $claim.existing (ne $claim.accessMode "ReadWriteMany") }}
{{ .name }} weights.claim.existing, {{ $claim.accessMode }}: {{ $claim.existing }}
{{- end -}}
{{- end -}}
