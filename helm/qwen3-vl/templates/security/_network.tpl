{{/* Parts of network policies. Ports are numbers: not every network plugin looks for names in a
native sidecar. The kubelet's probes pass: plugins never hold a node back from its own pods. */}}

{{/* A policy's beginning: (dict "root" $ "name" NAME "labels" LABELS "selector" SELECTOR). */}}
{{- define "qwen3-vl.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- .labels | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- .selector | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end -}}

{{/* Rules, none where there are no peers, since an empty list lets everybody through:
     (dict "direction" "from" or "to" "rules" (list (list PEERS PORT…)…)). */}}
{{- define "qwen3-vl.networkRules" -}}
{{- range .rules }}
{{- if first . }}
- {{ $.direction }}:
  {{- toYaml (first .) | nindent 2 }}
  ports:
  {{- range rest . }}
  - {port: {{ int64 . }}, protocol: TCP}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The part `egress` of a policy, name servers first: (dict "root" $ "rules" (list TEXT…)). */}}
{{- define "qwen3-vl.egress" -}}
egress:
{{- with .root.Values.networkPolicy.dns }}
- to:
  {{- toYaml . | nindent 2 }}
  ports:
  - {port: 53, protocol: UDP}
  - {port: 53, protocol: TCP}
{{- end }}
{{- join "" .rules }}
{{- if not (or .root.Values.networkPolicy.dns (join "" .rules | trim)) }} []{{ end }}
{{- end -}}

{{/* The ways out of the cluster and those that the user adds; takes the root. Of IPv6 only 2000::/3
     is public: private, link-local and metadata addresses lie outside. Within it Teredo and 6to4
     lead to IPv4 addresses of their own choice. */}}
{{- define "qwen3-vl.outsideRules" -}}
{{- $policy := .Values.networkPolicy -}}
{{- include "qwen3-vl.networkRules" (dict "direction" "to" "rules" (list (list $policy.proxy $policy.proxyPort))) }}
{{- if and $policy.internet (not .Values.offline) }}
- to:
  - ipBlock:
      cidr: 0.0.0.0/0
      except: {{ toJson $policy.exceptNetworks }}
  - ipBlock:
      cidr: 2000::/3
      except: ["2001::/32", "2002::/16"]
  ports:
  - {port: 443, protocol: TCP}
{{- end }}
{{- with $policy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The pods of a kind of job, as a peer: (dict "root" $ "job" NAME). */}}
{{- define "qwen3-vl.jobPeer" -}}
podSelector:
  matchLabels:
    {{- include "qwen3-vl.jobSelector" . | nindent 4 }}
{{- end -}}
