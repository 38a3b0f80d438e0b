{{/* What stops the chart: each define yields one sentence a line, nothing where all is well. */}}

{{/* Every contradiction of the release, then those of its pools, a line each; what several pools share
     is said once. Takes the root. */}}
{{- define "qwen3-vl.contradictions" -}}
{{- range include "qwen3-vl.releaseContradictions" . | splitList "\n" }}
{{- with trim . }}
{{ . }}
{{- end }}
{{- end }}
{{- $owners := dict -}}
{{- $said := list -}}
{{- range include "qwen3-vl.each" (dict "root" . "template" "qwen3-vl.saidOfPool" "plain" true) | splitList "\n" -}}
{{- with splitn " " 2 . -}}
{{- $said = append $said ._1 -}}
{{- $_ := set $owners ._1 (append (default (list) (get $owners ._1)) (printf "pools.%s" ._0)) -}}
{{- end -}}
{{- end -}}
{{- range uniq (compact $said) }}
{{ join ", " (get $owners .) }}: {{ . }}
{{- end }}
{{- end -}}

{{/* The contradictions of a pool, each after the pool's name. */}}
{{- define "qwen3-vl.saidOfPool" -}}
{{- range list "pool" "engine" "weights" "replica" "traffic" "reach" -}}
{{- range include (printf "qwen3-vl.%sContradictions" .) $ | splitList "\n" }}
{{- with trim . }}
{{ $.name }} {{ . }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Stops where a kind that was switched on is not known to the cluster:
     (dict "root" $ "api" "keda.sh/v1alpha1/ScaledObject" "key" "pool.scaling.enabled" "install" "KEDA"). */}}
{{- define "qwen3-vl.requireApi" -}}
{{- if not (.root.Capabilities.APIVersions.Has .api) -}}
{{- fail (printf "%s is true and this cluster has no %s. Install %s first, or set it to false; `helm template` needs --api-versions %s." .key .api .install .api) -}}
{{- end -}}
{{- end -}}

{{/* Whole MiB of a size such as 16Gi or 500M, rounded down. */}}
{{- define "qwen3-vl.sizeMiB" -}}
{{- $bytes := dict "M" 1000000 "Mi" 1048576 "G" 1000000000 "Gi" 1073741824 "T" 1000000000000 "Ti" 1099511627776 -}}
{{- $unit := regexFind "[A-Za-z]+$" . -}}
{{- div (mul (trimSuffix $unit . | int64) (get $bytes $unit | int64)) 1048576 -}}
{{- end -}}
