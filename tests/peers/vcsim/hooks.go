package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// What happens at a call, once: the first call of the method after Skip of them. What the simulator itself does (ending sessions, destroying
// virtual machines) is done before it hears of the call; what it has no notion of (rights) is taken out of its answers from then on.
type rule struct {
	Method string `json:"method"`
	Skip   int    `json:"skip"`
	// expire: every session ends. destroy: virtual machines end whose names fit Objects. status: the answer is this HTTP status.
	// stall: it waits for so many milliseconds.
	// hide: objects whose names fit Objects are in no view, and asked for by name they are refused, as where the account may not see them. refuse:
	// NoPermission instead of Property. late: they are in no view, and asked for by name they are read. missing: ManagedObjectNotFound instead of every property, as of an object that ends while it is read.
	Do       string `json:"do"`
	Objects  string `json:"objects"`
	Property string `json:"property"`
	Status   int    `json:"status"`
	Pause    int    `json:"milliseconds"`
}

type hooks struct {
	service *simulator.Service
	mutex   sync.Mutex
	calls   []string
	rules   []*rule
	// Rules of rights that hold from now on.
	rights []*rule
}

func (h *hooks) control() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, value any) { _ = json.NewEncoder(w).Encode(value) }
	// The methods that were called since the last time.
	mux.HandleFunc("/calls", func(w http.ResponseWriter, _ *http.Request) {
		h.mutex.Lock()
		defer h.mutex.Unlock()
		answer(w, append([]string{}, h.calls...))
		h.calls = nil
	})
	mux.HandleFunc("/sessions", func(w http.ResponseWriter, _ *http.Request) { answer(w, len(h.sessions())) })
	mux.HandleFunc("POST /rules", func(w http.ResponseWriter, r *http.Request) {
		one := new(rule)
		if err := json.NewDecoder(r.Body).Decode(one); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.mutex.Lock()
		defer h.mutex.Unlock()
		h.rules = append(h.rules, one)
	})
	return mux
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	method := method(body)
	due, rights := h.due(method)
	for _, one := range due {
		switch one.Do {
		case "expire":
			h.expire()
		case "destroy":
			h.destroy(one.Objects)
		case "stall":
			time.Sleep(time.Duration(one.Pause) * time.Millisecond)
		case "status":
			w.WriteHeader(one.Status)
			return
		}
	}
	if len(rights) == 0 {
		h.service.ServeMux.ServeHTTP(w, r)
		return
	}
	recorder := httptest.NewRecorder()
	h.service.ServeMux.ServeHTTP(recorder, r)
	answer := recorder.Body.Bytes()
	if recorder.Code == http.StatusOK {
		for _, one := range rights {
			answer = h.without(one, method, bytes.Contains(body, []byte("selectSet")), answer)
		}
	}
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(answer)
}

// The rules that this call meets, and those about rights.
func (h *hooks) due(method string) ([]*rule, []*rule) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if method != "" {
		h.calls = append(h.calls, method)
	}
	var due, left []*rule
	for _, one := range h.rules {
		switch {
		case one.Method != method:
			left = append(left, one)
		case one.Skip > 0:
			one.Skip--
			left = append(left, one)
		case one.Do == "hide" || one.Do == "late" || one.Do == "refuse" || one.Do == "missing":
			h.rights = append(h.rights, one)
		default:
			due = append(due, one)
		}
	}
	h.rules = left
	return due, append([]*rule{}, h.rights...)
}

// The name of the method that a request calls.
func method(body []byte) string {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	for inside := false; ; {
		token, err := decoder.Token()
		if err != nil {
			return ""
		}
		if start, ok := token.(xml.StartElement); ok {
			if inside {
				return start.Name.Local
			}
			inside = start.Name.Local == "Body"
		}
	}
}

func (h *hooks) sessions() []types.UserSession {
	ctx := h.service.Context
	return ctx.Session.Get(ctx.Map.SessionManager().Self).(*simulator.SessionManager).SessionList
}

func (h *hooks) expire() {
	ctx := h.service.Context
	for _, session := range h.sessions() {
		ctx.Map.SessionManager().TerminateSession(ctx, &types.TerminateSession{SessionId: []string{session.Key}})
	}
}

func (h *hooks) destroy(pattern string) {
	ctx := h.service.Context
	client, err := vim25.NewClient(ctx, h.service)
	if err != nil {
		return
	}
	for _, one := range ctx.Map.All("VirtualMachine") {
		if fits, _ := path.Match(pattern, one.Entity().Name); !fits {
			continue
		}
		vm := object.NewVirtualMachine(client, one.Entity().Self)
		if task, err := vm.PowerOff(ctx); err == nil {
			_ = task.Wait(ctx)
		}
		if task, err := vm.Destroy(ctx); err == nil {
			_ = task.Wait(ctx)
		}
	}
}

// An answer of the property collector as an account with fewer rights is given it.
func (h *hooks) without(one *rule, method string, byView bool, answer []byte) []byte {
	decoder := xml.NewDecoder(bytes.NewReader(answer))
	decoder.TypeFunc = types.TypeFunc()
	var out bytes.Buffer
	var err error
	switch method {
	case "RetrievePropertiesEx":
		body := new(methods.RetrievePropertiesExBody)
		if decoder.Decode(&soap.Envelope{Body: body}) != nil || body.Res == nil || body.Res.Returnval == nil {
			return answer
		}
		body.Res.Returnval.Objects = h.filtered(one, byView, body.Res.Returnval.Objects)
		err = encode(&out, method, body.Res)
	case "ContinueRetrievePropertiesEx":
		body := new(methods.ContinueRetrievePropertiesExBody)
		if decoder.Decode(&soap.Envelope{Body: body}) != nil || body.Res == nil {
			return answer
		}
		body.Res.Returnval.Objects = h.filtered(one, true, body.Res.Returnval.Objects)
		err = encode(&out, method, body.Res)
	default:
		return answer
	}
	if err != nil {
		return answer
	}
	return out.Bytes()
}

func encode(out *bytes.Buffer, method string, response any) error {
	out.WriteString(xml.Header + `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`)
	encoder := xml.NewEncoder(out)
	err := encoder.EncodeElement(response, xml.StartElement{Name: xml.Name{Space: "urn:vim25", Local: method + "Response"}})
	if err == nil {
		err = encoder.Flush()
	}
	out.WriteString(`</soapenv:Body></soapenv:Envelope>`)
	return err
}

func (h *hooks) filtered(one *rule, byView bool, objects []types.ObjectContent) []types.ObjectContent {
	var kept []types.ObjectContent
	for _, content := range objects {
		entity, ok := h.service.Context.Map.Get(content.Obj).(mo.Entity)
		if ok {
			ok, _ = path.Match(one.Objects, entity.Entity().Name)
		}
		switch {
		case ok && byView && (one.Do == "hide" || one.Do == "late"):
			continue
		case ok && one.Do != "late":
			content = spoilt(one, content)
		}
		kept = append(kept, content)
	}
	return kept
}

// What is refused of an object stands in its missingSet, with the reason.
func spoilt(one *rule, content types.ObjectContent) types.ObjectContent {
	var fault types.BaseMethodFault = &types.NoPermission{Object: &content.Obj, PrivilegeId: "System.Read"}
	if one.Do == "missing" {
		fault = &types.ManagedObjectNotFound{Obj: content.Obj}
	}
	var kept []types.DynamicProperty
	for _, property := range content.PropSet {
		if one.Do == "refuse" && property.Name != one.Property {
			kept = append(kept, property)
			continue
		}
		content.MissingSet = append(content.MissingSet, types.MissingProperty{Path: property.Name, Fault: types.LocalizedMethodFault{Fault: fault}})
	}
	content.PropSet = kept
	return content
}
