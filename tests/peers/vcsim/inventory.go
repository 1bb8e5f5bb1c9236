package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// One virtual machine of the file. What is left out is as the simulator makes it.
type machine struct {
	Name           string   `json:"name"`
	InstanceUUID   string   `json:"instanceUuid"`
	BiosUUID       string   `json:"biosUuid"`
	CPUs           int32    `json:"cpus"`
	CoresPerSocket int32    `json:"coresPerSocket"`
	MemoryMiB      int64    `json:"memoryMiB"`
	DiskGiB        []int64  `json:"diskGiB"`
	MACs           []string `json:"macs"`
	// What the guest's tools report; without a host name and addresses they do not run.
	HostName  string   `json:"hostName"`
	Addresses []string `json:"addresses"`
	// What the guest is called, for example "Debian GNU/Linux 12 (64-bit)".
	Guest        string `json:"guest"`
	CPUHotAdd    bool   `json:"cpuHotAdd"`
	CPUHotRemove bool   `json:"cpuHotRemove"`
	MemoryHotAdd bool   `json:"memoryHotAdd"`
	PoweredOff   bool   `json:"poweredOff"`
	Template     bool   `json:"template"`
	// Names; the first of each where they are left out.
	Cluster   string `json:"cluster"`
	Datastore string `json:"datastore"`
	Network   string `json:"network"`
}

// Makes the virtual machines of a file.
func populate(ctx *simulator.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var machines []machine
	if err := json.Unmarshal(text, &machines); err != nil {
		return err
	}
	client, err := vim25.NewClient(ctx, simulator.ServiceFromContext(ctx))
	if err != nil {
		return err
	}
	for _, one := range machines {
		if err := one.create(ctx, client); err != nil {
			return fmt.Errorf("%s: %w", one.Name, err)
		}
	}
	return nil
}

func (one machine) create(ctx *simulator.Context, client *vim25.Client) error {
	cluster, ok := named(ctx, "ClusterComputeResource", one.Cluster).(*simulator.ClusterComputeResource)
	if !ok {
		return fmt.Errorf("there is no cluster %q", one.Cluster)
	}
	store, ok := named(ctx, "Datastore", one.Datastore).(*simulator.Datastore)
	if !ok {
		return fmt.Errorf("there is no datastore %q", one.Datastore)
	}
	spec, err := one.spec(ctx, client, store.Name)
	if err != nil {
		return err
	}
	datacenter := ctx.Map.Any("Datacenter").(*simulator.Datacenter)
	for parent := cluster.Parent; parent != nil; {
		if found, ok := ctx.Map.Get(*parent).(*simulator.Datacenter); ok {
			datacenter = found
			break
		}
		folder, ok := ctx.Map.Get(*parent).(*simulator.Folder)
		if !ok {
			break
		}
		parent = folder.Parent
	}
	folder := object.NewFolder(client, datacenter.VmFolder)
	task, err := folder.CreateVM(ctx, spec, object.NewResourcePool(client, *cluster.ResourcePool), nil)
	if err != nil {
		return err
	}
	made, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return err
	}
	ref := made.Result.(types.ManagedObjectReference)
	if err := one.start(ctx, object.NewVirtualMachine(client, ref)); err != nil {
		return err
	}
	vm := ctx.Map.Get(ref).(*simulator.VirtualMachine)
	ctx.WithLock(vm, func() { one.guest(vm) })
	return nil
}

func (one machine) start(ctx context.Context, vm *object.VirtualMachine) error {
	if one.Template {
		return vm.MarkAsTemplate(ctx)
	}
	if one.PoweredOff {
		return nil
	}
	task, err := vm.PowerOn(ctx)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

func (one machine) spec(ctx *simulator.Context, client *vim25.Client, store string) (types.VirtualMachineConfigSpec, error) {
	spec := types.VirtualMachineConfigSpec{
		Name: one.Name, Uuid: one.BiosUUID, InstanceUuid: one.InstanceUUID, NumCPUs: one.CPUs, MemoryMB: one.MemoryMiB,
		GuestId:          string(types.VirtualMachineGuestOsIdentifierOtherGuest),
		Files:            &types.VirtualMachineFileInfo{VmPathName: "[" + store + "]"},
		CpuHotAddEnabled: &one.CPUHotAdd, CpuHotRemoveEnabled: &one.CPUHotRemove, MemoryHotAddEnabled: &one.MemoryHotAdd,
	}
	if one.CoresPerSocket > 0 {
		spec.NumCoresPerSocket = &one.CoresPerSocket
	}
	var devices object.VirtualDeviceList
	controller, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		return spec, err
	}
	devices = append(devices, controller)
	for number, size := range one.DiskGiB {
		disk := devices.CreateDisk(controller.(types.BaseVirtualController), types.ManagedObjectReference{}, fmt.Sprintf("[%s] %s/disk%d.vmdk", store, one.Name, number))
		disk.CapacityInKB = size * 1024 * 1024
		devices = append(devices, disk)
	}
	for _, mac := range one.MACs {
		backing, err := one.backing(ctx, client)
		if err != nil {
			return spec, err
		}
		card, err := devices.CreateEthernetCard("vmxnet3", backing)
		if err != nil {
			return spec, err
		}
		ethernet := card.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
		ethernet.MacAddress, ethernet.AddressType = mac, string(types.VirtualEthernetCardMacTypeManual)
		devices = append(devices, card)
	}
	spec.DeviceChange, err = devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	return spec, err
}

func (one machine) backing(ctx *simulator.Context, client *vim25.Client) (types.BaseVirtualDeviceBackingInfo, error) {
	if group, ok := named(ctx, "DistributedVirtualPortgroup", one.Network).(*simulator.DistributedVirtualPortgroup); ok && !uplink(group) {
		return object.NewDistributedVirtualPortgroup(client, group.Self).EthernetCardBackingInfo(ctx)
	}
	name := one.Network
	if name == "" {
		name = "VM Network"
	}
	return &types.VirtualEthernetCardNetworkBackingInfo{VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: name}}, nil
}

// What the simulator has no method for.
func (one machine) guest(vm *simulator.VirtualMachine) {
	if one.Guest != "" {
		vm.Config.GuestFullName, vm.Summary.Config.GuestFullName = one.Guest, one.Guest
	}
	if one.MemoryHotAdd {
		vm.Config.HotPlugMemoryIncrementSize, vm.Config.HotPlugMemoryLimit = 128, 16*one.MemoryMiB
	}
	if one.HostName == "" && len(one.Addresses) == 0 {
		return
	}
	vm.Guest.HostName, vm.Guest.GuestFullName = one.HostName, one.Guest
	vm.Guest.ToolsRunningStatus = string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
	vm.Guest.ToolsVersion = "12389"
	if len(vm.Guest.Net) > 0 && len(one.Addresses) > 0 {
		vm.Guest.Net[0].IpAddress = one.Addresses
		vm.Guest.IpAddress = one.Addresses[0]
	}
}

// How a vCenter tags a port group that leads to the physical switches.
const uplinks = "SYSTEM/DVS.UPLINKPG"

func uplink(group *simulator.DistributedVirtualPortgroup) bool {
	for _, tag := range group.Tag {
		if tag.Key == uplinks {
			return true
		}
	}
	return false
}

// The object of this name; without one, the first that was made.
func named(ctx *simulator.Context, kind, name string) any {
	var found mo.Entity
	for _, one := range ctx.Map.All(kind) {
		group, ok := one.(*simulator.DistributedVirtualPortgroup)
		fits := name == one.Entity().Name || (name == "" && !(ok && uplink(group)))
		if fits && (found == nil || before(one, found)) {
			found = one
		}
	}
	return found
}

func before(one, other mo.Entity) bool {
	a, b := one.Reference().Value, other.Reference().Value
	return len(a) < len(b) || (len(a) == len(b) && a < b)
}
