// The network of a dyno, for package net of GOOS=wasip1.
//
// A dyno gives its program two descriptors: a listener on $PORT, and the network, from which connections and lookups are
// opened by paths. This file replaces some functions of the package, whose own versions `dyno build` renames: socket to
// inProcessSocket, and accept, lookupHost and lookupIP to ownAccept, ownLookupHost and ownLookupIP.

//go:build wasip1

package net

import (
	"context"
	"internal/poll"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	// The descriptor from which connections are opened.
	networkFD = 4095
	// The descriptor of the listener on $PORT.
	portListenerFD = 4096
	// The number that dynos show as the port of every client.
	clientPort = 1
	// The most bytes of addresses that are read for one name.
	lookupBytesMax = 4096
)

// The number in $PORT; 0 if there is none.
var dynoPort = parseDynoPort()

// The references to the listener. The first is never given up, so that a program can listen again after Close.
var portListenerRefs int32 = 1

// dynoError is an error of this platform.
type dynoError string

func (e dynoError) Error() string { return string(e) }

const (
	errNotServer = dynoError("only the process type web can listen, and only on $PORT")
	errOtherPort = dynoError("a dyno can listen only on $PORT, on all addresses or on loopback: use os.Getenv(\"PORT\")")
	errOnlyTCP   = dynoError("a dyno that runs Go has only TCP connections")
	errRefused   = dynoError("a dyno may not connect there: its log says why")
)

//go:wasmimport wasi_snapshot_preview1 path_open
//go:noescape
func dynoPathOpen(dir int32, dirFlags uint32, path unsafe.Pointer, pathLen uint32, openFlags uint32, rights, inheriting uint64, flags uint32, fd unsafe.Pointer) uint32

func parseDynoPort() int {
	text, _ := syscall.Getenv("PORT")
	port := 0
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' || port > 65535 {
			return 0
		}
		port = port*10 + int(digit-'0')
	}
	return port
}

// socket opens the listener on $PORT, a connection, or a socket that only this program can reach.
func socket(ctx context.Context, net string, family, sotype, proto int, ipv6only bool, laddr, raddr sockaddr, ctrlCtxFn func(context.Context, string, string, syscall.RawConn) error) (*netFD, error) {
	if raddr == nil {
		if local, ok := laddr.(*TCPAddr); ok && local != nil && local.Port != 0 {
			return listenOnPort(local)
		}
	} else if _, isInProcess := sockets.Load(fakeAddr(raddr)); family != syscall.AF_UNIX && !isInProcess {
		if remote, ok := raddr.(*TCPAddr); ok {
			return connectTo(ctx, remote)
		}
		return nil, errOnlyTCP
	}
	return inProcessSocket(ctx, net, family, sotype, proto, ipv6only, laddr, raddr, ctrlCtxFn)
}

// listenOnPort opens the listener on $PORT.
func listenOnPort(local *TCPAddr) (*netFD, error) {
	if filetype, err := fd_fdstat_get_type(portListenerFD); err != nil || filetype != syscall.FILETYPE_SOCKET_STREAM {
		return nil, errNotServer
	}
	if local.Port != dynoPort || !(local.isWildcard() || local.IP.IsLoopback()) {
		return nil, errOtherPort
	}
	if !atomic.CompareAndSwapInt32(&portListenerRefs, 1, 2) {
		return nil, os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	fd := newPollFD("tcp", poll.FD{
		Sysfd:         portListenerFD,
		SysFile:       poll.SysFile{RefCountPtr: &portListenerRefs},
		IsStream:      true,
		ZeroReadIsEOF: true,
	})
	if err := fd.init(); err != nil {
		atomic.StoreInt32(&portListenerRefs, 1)
		return nil, err
	}
	ip := local.IP
	if len(ip) == 0 {
		ip = IPv6unspecified
	}
	fd.setAddr(&TCPAddr{IP: ip, Port: local.Port}, nil)
	return fd, nil
}

// accept accepts a connection, and gives it the addresses that all dynos show.
func (fd *netFD) accept() (*netFD, error) {
	netfd, err := fd.ownAccept()
	if err == nil && netfd.fakeNetFD == nil {
		here := IPv4(127, 0, 0, 1)
		netfd.setAddr(&TCPAddr{IP: here, Port: dynoPort}, &TCPAddr{IP: here, Port: clientPort})
	}
	return netfd, err
}

// connectTo opens a connection.
func connectTo(ctx context.Context, remote *TCPAddr) (*netFD, error) {
	fd, err := openPath("tcp/" + (&TCPAddr{IP: remote.IP, Port: remote.Port}).String())
	if err != nil {
		return nil, connectError(err)
	}
	end := watchDeadline(ctx, fd)
	if err = fd.pfd.WaitWrite(); err == nil {
		// A write without bytes tells whether the connection was opened.
		_, err = fd.pfd.Write(nil)
	}
	if err = end(err); err != nil {
		fd.Close()
		return nil, connectError(err)
	}
	fd.setAddr(&TCPAddr{IP: IPv4zero}, remote)
	return fd, nil
}

func connectError(err error) error {
	if err == syscall.EACCES {
		return errRefused
	}
	return wrapSyscallError("connect", err)
}

// openPath opens a path of the network. The descriptor gets ready when the work behind it is done.
func openPath(path string) (*netFD, error) {
	bytes := []byte(path)
	var sysfd int32
	errno := dynoPathOpen(networkFD, 0, unsafe.Pointer(&bytes[0]), uint32(len(bytes)), 0, 0, 0, 0, unsafe.Pointer(&sysfd))
	if errno != 0 {
		return nil, syscall.Errno(errno)
	}
	fd := newFD("tcp", int(sysfd))
	if err := fd.init(); err != nil {
		fd.Close()
		return nil, err
	}
	return fd, nil
}

// watchDeadline ends the waiting for a descriptor with the context. The returned function ends the watch, and gives the
// context's error instead of that of the descriptor.
func watchDeadline(ctx context.Context, fd *netFD) func(error) error {
	if deadline, ok := ctx.Deadline(); ok {
		fd.pfd.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { fd.pfd.SetDeadline(time.Unix(1, 0)) })
	return func(err error) error {
		if !stop() && ctx.Err() != nil {
			return mapErr(ctx.Err())
		}
		fd.pfd.SetDeadline(time.Time{})
		return err
	}
}

// lookUp has the platform look a name up.
func lookUp(ctx context.Context, host string) ([]IPAddr, error) {
	fail := func(text string, err error) ([]IPAddr, error) {
		failed := &DNSError{Err: text, Name: host}
		failed.IsNotFound = err == syscall.ENOENT || err == syscall.EINVAL
		failed.IsTimeout = err == syscall.ETIMEDOUT || err == errTimeout || err == os.ErrDeadlineExceeded
		failed.IsTemporary = !failed.IsNotFound
		return nil, failed
	}
	if ip := ParseIP(host); ip != nil {
		return []IPAddr{{IP: ip}}, nil
	}
	fd, err := openPath("name/" + host)
	if err == syscall.EINVAL {
		return fail("no such host", err)
	}
	if err != nil {
		return fail(err.Error(), err)
	}
	defer fd.Close()
	end := watchDeadline(ctx, fd)
	var text []byte
	for err == nil && len(text) < lookupBytesMax {
		var n int
		var buffer [512]byte
		n, err = fd.pfd.Read(buffer[:])
		text = append(text, buffer[:n]...)
		if n == 0 {
			break
		}
	}
	if err == io.EOF {
		err = nil
	}
	if err = end(err); err == syscall.ENOENT {
		return fail("no such host", err)
	}
	if err != nil {
		return fail(err.Error(), err)
	}
	var found []IPAddr
	begin := 0
	for at, letter := range text {
		if letter == '\n' {
			found = append(found, IPAddr{IP: ParseIP(string(text[begin:at]))})
			begin = at + 1
		}
	}
	return found, nil
}

// lookupHost looks a name up, by the program's own resolver if it has set one.
func (r *Resolver) lookupHost(ctx context.Context, host string) ([]string, error) {
	if r != nil && r.Dial != nil {
		return r.ownLookupHost(ctx, host)
	}
	found, err := lookUp(ctx, host)
	var addrs []string
	for _, one := range found {
		addrs = append(addrs, one.String())
	}
	return addrs, err
}

// lookupIP looks a name up, by the program's own resolver if it has set one.
func (r *Resolver) lookupIP(ctx context.Context, network, host string) ([]IPAddr, error) {
	if r != nil && r.Dial != nil {
		return r.ownLookupIP(ctx, network, host)
	}
	return lookUp(ctx, host)
}
