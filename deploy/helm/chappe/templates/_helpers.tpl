{{- define "chappe.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "chappe.labels" -}}
app.kubernetes.io/name: chappe
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "chappe.data" -}}
{{ .Values.data.existingClaim | default (printf "%s-data" .Release.Name) }}
{{- end }}

{{- define "chappe.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "chappe.container" -}}
image: {{ include "chappe.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Of a gateway: the dictionary has root and desk. */}}
{{- define "chappe.gateway" -}}
{{- $root := .root -}}
{{- with $root.Values -}}
{{ include "chappe.pod" $root }}
# The drain, what is under way after it, the store: docs/watching.md, Stopping.
terminationGracePeriodSeconds: {{ add .gateways.preStopSeconds .gateways.drainSeconds 20 }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {app.kubernetes.io/instance: {{ $root.Release.Name }}, app.kubernetes.io/component: gateway}
containers:
  - name: gateway
    {{- include "chappe.container" $root | nindent 4 }}
    args: [serve]
    env:
      - {name: CHAPPE_SERVER_NAME, value: {{ required "serverName is needed" .serverName | quote }}}
      - {name: CHAPPE_TLS_CERT, value: /run/chappe/tls/tls.crt}
      - {name: CHAPPE_TLS_KEY, value: /run/chappe/tls/tls.key}
      - name: CHAPPE_DATABASE_URL
        valueFrom: {secretKeyRef: {name: {{ required "database.secretName is needed" .database.secretName }}, key: url}}
      - {name: CHAPPE_BUS, value: {{ required "nats.urls is needed" .nats.urls | quote }}}
      {{- if .nats.tokenSecretName }}
      - {name: CHAPPE_BUS_TOKEN_FILE, value: /run/chappe/nats/token}
      {{- end }}
      - {name: CHAPPE_SHARE_SERVICE, value: "https://{{ $root.Release.Name }}-shares:8441"}
      - {name: CHAPPE_SHARE_TOKEN_FILE, value: /run/chappe/shares/token}
      - {name: CHAPPE_SHARE_AUTHORITY, value: /run/chappe/shares/tls.crt}
      - {name: CHAPPE_METRICS, value: "0.0.0.0:{{ .metrics.port }}"}
      - {name: CHAPPE_DRAIN_SECONDS, value: {{ .gateways.drainSeconds | quote }}}
      {{- if .gateways.proxyProtocol }}
      - {name: CHAPPE_PROXY_PROTOCOL, value: "true"}
      {{- end }}
      {{- if $.desk }}
      - {name: CHAPPE_DESK, value: "true"}
      - {name: CHAPPE_DESK_ORIGIN, value: {{ required "desk.origin is needed" .desk.origin | quote }}}
      {{- end }}
      {{- range $name, $value := .gateways.env }}
      - {name: {{ $name }}, value: {{ $value | quote }}}
      {{- end }}
    ports:
      - {name: relay, containerPort: 8440}
      - {name: metrics, containerPort: {{ .metrics.port }}}
    # Asked at the private port: no TLS to get wrong, and the reasons are in the kubelet's events.
    readinessProbe:
      httpGet: {path: /readyz, port: metrics}
      periodSeconds: 3
      failureThreshold: 2
      timeoutSeconds: 12
    livenessProbe:
      httpGet: {path: /healthz, port: metrics}
      periodSeconds: 20
      failureThreshold: 6
      timeoutSeconds: 10
    startupProbe:
      httpGet: {path: /healthz, port: metrics}
      periodSeconds: 2
      failureThreshold: 60
    lifecycle:
      preStop: {exec: {command: [sleep, {{ .gateways.preStopSeconds | quote }}]}}
    resources: {{- toYaml .gateways.resources | nindent 6 }}
    volumeMounts:
      - {name: data, mountPath: /data}
      - {name: tmp, mountPath: /tmp}
      - {name: tls, mountPath: /run/chappe/tls, readOnly: true}
      - {name: shares, mountPath: /run/chappe/shares, readOnly: true}
      {{- if .nats.tokenSecretName }}
      - {name: nats, mountPath: /run/chappe/nats, readOnly: true}
      {{- end }}
volumes:
  - name: data
    persistentVolumeClaim: {claimName: {{ include "chappe.data" $root }}}
  - {name: tmp, emptyDir: {}}
  - name: tls
    secret: {secretName: {{ required "tls.secretName is needed" .tls.secretName }}, defaultMode: 0440}
  - name: shares
    secret:
      secretName: {{ required "shares.secretName is needed" .shares.secretName }}
      defaultMode: 0440
      items: [{key: token, path: token}, {key: tls.crt, path: tls.crt}]
  {{- if .nats.tokenSecretName }}
  - name: nats
    secret: {secretName: {{ .nats.tokenSecretName }}, defaultMode: 0440}
  {{- end }}
{{- end }}
{{- end }}
