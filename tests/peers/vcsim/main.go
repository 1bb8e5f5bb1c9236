// vcsim: govmomi's simulator of vCenter as a program for the tests, with an inventory of their choosing and a second port on which a test says what is
// to happen in the middle of a client's work. It ends when its input does.
//
//	vcsim --user USER --password PASSWORD [--cert FILE --key FILE] [--listen 127.0.0.1:0] [--vms N] [--inventory FILE] …
//
// Once it is ready it prints one line of JSON: {"sdk": "https://127.0.0.1:PORT/sdk", "control": "http://127.0.0.1:PORT"}.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func main() {
	model := simulator.VPX()
	model.Host = 0
	host := flag.Bool("esx", false, "a single ESXi host instead of a vCenter, with --vms and --datastores alone")
	listen := flag.String("listen", "127.0.0.1:0", "where the API is served")
	user := flag.String("user", "user", "the only account")
	password := flag.String("password", "pass", "its password")
	certificate := flag.String("cert", "", "PEM of the server's certificate; with --key the API is served over TLS")
	key := flag.String("key", "", "PEM of its key")
	inventory := flag.String("inventory", "", "JSON: a list of virtual machines that are made besides; see inventory.go")
	flag.IntVar(&model.Machine, "vms", 2, "virtual machines that the simulator makes up, in each cluster and on each standalone host")
	flag.IntVar(&model.Datacenter, "datacenters", 1, "datacenters: DC0, DC1 …")
	flag.IntVar(&model.Cluster, "clusters", 1, "clusters in each: DC0_C0 …")
	flag.IntVar(&model.ClusterHost, "hosts", 3, "hosts in each cluster: DC0_C0_H0 …")
	flag.IntVar(&model.Host, "standalone", 0, "hosts in no cluster: DC0_H0 …")
	flag.IntVar(&model.Datastore, "datastores", 1, "datastores of each datacenter: LocalDS_0 …")
	flag.IntVar(&model.Portgroup, "portgroups", 1, "distributed port groups of each datacenter: DC0_DVPG0 …")
	flag.Parse()
	log.SetOutput(io.Discard) // what a client did wrong is for its test to say
	if *host {
		machines, datastores := model.Machine, model.Datastore
		model = simulator.ESX()
		model.Machine, model.Datastore = machines, datastores
	}

	if err := model.Create(); err != nil {
		fail(err)
	}
	defer model.Remove()
	service := model.Service
	tag(service.Context)
	service.Listen = &url.URL{User: url.UserPassword(*user, *password)}
	service.RegisterSDK(service.Context.Map, service.Context.Map.Path+"/vimService")
	if *inventory != "" {
		if err := populate(service.Context, *inventory); err != nil {
			fail(err)
		}
	}
	hooks := &hooks{service: service}
	sdk, scheme := serve(*listen, *certificate, *key, hooks)
	control, _ := serve("127.0.0.1:0", "", "", hooks.control())
	ready, _ := json.Marshal(map[string]string{"sdk": scheme + "://" + sdk + "/sdk", "control": "http://" + control})
	fmt.Println(string(ready))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// A vCenter tags the port groups that lead to the physical switches; the simulator does not.
func tag(ctx *simulator.Context) {
	for _, one := range ctx.Map.All("DistributedVirtualPortgroup") {
		if group, ok := one.(*simulator.DistributedVirtualPortgroup); ok && strings.Contains(group.Name, "-DVUplinks") {
			group.Tag = []types.Tag{{Key: uplinks}}
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Serves on this address, over TLS where there is a certificate; where, and how.
func serve(address, certificate, key string, handler http.Handler) (string, string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		fail(err)
	}
	scheme := "http"
	where := listener.Addr().String()
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			fail(err)
		}
		listener, scheme = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}}), "https"
	}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(listener) }()
	return where, scheme
}
