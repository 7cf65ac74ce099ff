// Listening on $PORT, for package net of GOOS=wasip1.
//
// A dyno gives its program one descriptor: a listener on $PORT, open from the start. net.Listen returns it for the address
// of $PORT. This file replaces two functions of the package, whose own versions `dyno build` renames: socket to
// inProcessSocket, and netFD.accept to netFD.acceptWithoutAddress.

//go:build wasip1

package net

import (
	"context"
	"internal/poll"
	"os"
	"sync/atomic"
	"syscall"
)

// The descriptor of the listener on $PORT.
const portListenerFD = 4096

// The number that dynos show as the port of every client.
const clientPort = 1

// The number in $PORT; 0 if there is none.
var dynoPort = parseDynoPort()

// The references to the listener. The first is never given up, so that a program can listen again after Close.
var portListenerRefs int32 = 1

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

// socket opens the listener on $PORT, or a socket that only this program can reach.
func socket(ctx context.Context, net string, family, sotype, proto int, ipv6only bool, laddr, raddr sockaddr, ctrlCtxFn func(context.Context, string, string, syscall.RawConn) error) (*netFD, error) {
	if local, ok := laddr.(*TCPAddr); ok && raddr == nil && local != nil && local.Port != 0 {
		return listenOnPort(local)
	}
	if raddr != nil && family != syscall.AF_UNIX {
		if _, ok := sockets.Load(fakeAddr(raddr)); !ok {
			return nil, os.NewSyscallError("connect", errNoConnections)
		}
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
	netfd, err := fd.acceptWithoutAddress()
	if err == nil && netfd.fakeNetFD == nil {
		here := IPv4(127, 0, 0, 1)
		netfd.setAddr(&TCPAddr{IP: here, Port: dynoPort}, &TCPAddr{IP: here, Port: clientPort})
	}
	return netfd, err
}

// dynoError is an error of this platform.
type dynoError string

func (e dynoError) Error() string { return string(e) }

const (
	errNotServer     = dynoError("only the process type web can listen, and only on $PORT")
	errOtherPort     = dynoError("a dyno can listen only on $PORT, on all addresses or on loopback: use os.Getenv(\"PORT\")")
	errNoConnections = dynoError("a dyno that runs Go cannot open connections")
)
