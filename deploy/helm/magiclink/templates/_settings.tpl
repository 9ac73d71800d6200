{{/* The settings of one service, as a map: those of all, without what it has no use for, and its own over them. */}}
{{- define "magiclink.settings" -}}
{{- $found := dict -}}
{{- range $name, $value := .Values.settings -}}
{{- $isForeign := or (and (has $.service (list "verifier" "compat")) (hasPrefix "KAFKA_" $name)) (and (eq $.service "compat") (eq $name "PUBLIC_URL")) -}}
{{- if not $isForeign -}}{{- $_ := set $found $name $value -}}{{- end -}}
{{- end -}}
{{- $found = mergeOverwrite $found (deepCopy .own.settings) -}}
{{- range .required -}}
{{- if and (empty (get $found .)) (not (has . $.own.secret.files)) -}}
{{- fail (printf "settings.%s or services.%s.settings.%s is required" . $.service .) -}}
{{- end -}}
{{- end -}}
{{- range $name := .own.secret.files -}}
{{- if hasKey $found $name -}}
{{- fail (printf "services.%s: %s is a setting and in secret.files: keep one" $.service $name) -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "magiclink.required" -}}
issuer: [PUBLIC_URL, KAFKA_BOOTSTRAP, DATABASE_URL, REDIS_URL, KEYS]
verifier: [PUBLIC_URL, DATABASE_URL, REDIS_URL, KEYS, SIGNING_KEYS]
notifier: [PUBLIC_URL, KAFKA_BOOTSTRAP, DATABASE_URL, REDIS_URL, KEYS, SMTP_HOST, MAIL_FROM]
compat: [ISSUER_URL, VERIFIER_URL, COMPAT_URL, REDIS_URL, COMPAT_API_KEY]
{{- end -}}

{{- define "magiclink.environment" -}}
{{- range $name, $value := .settings }}
- name: MAGICLINK_{{ $name }}
  value: {{ if kindIs "float64" $value }}{{ $value | toJson | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- range .files }}
- name: MAGICLINK_{{ . }}_FILE
  value: /etc/magiclink/secrets/{{ . }}
{{- end }}
{{- end -}}
