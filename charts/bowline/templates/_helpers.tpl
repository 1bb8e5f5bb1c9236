{{/* Labels that every object has. */}}
{{- define "bowline.labels" -}}
app.kubernetes.io/name: bowline
app.kubernetes.io/part-of: bowline
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* By which labels the pods are chosen. They never change: a Deployment's selector cannot. */}}
{{- define "bowline.selector" -}}
app.kubernetes.io/name: bowline
app.kubernetes.io/component: controller
{{- end }}

{{/* The image, by digest where one is given. */}}
{{- define "bowline.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Bowline's account as a subject of bindings. */}}
{{- define "bowline.subjects" -}}
subjects:
- kind: ServiceAccount
  name: {{ .Values.serviceAccount.name }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* Bowline's account as the API server knows it. */}}
{{- define "bowline.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ .Values.serviceAccount.name }}
{{- end }}

{{/* Binds the cluster role .role in .namespaces, or in all if there are none. */}}
{{- define "bowline.binding" -}}
{{- $root := .root }}
{{- $role := .role }}
{{- range .namespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $role }}
  namespace: {{ . }}
  labels:
    {{- include "bowline.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $role }}
{{ include "bowline.subjects" $root }}
{{- else }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $role }}
  labels:
    {{- include "bowline.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $role }}
{{ include "bowline.subjects" $root }}
{{- end }}
{{- end }}
