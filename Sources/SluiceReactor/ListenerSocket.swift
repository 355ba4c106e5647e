import CSluiceLinux
import Glibc
import SluiceTime

/// What accepting brought.
package enum AcceptResult: ~Copyable {
    case connection(Transport, peer: SocketAddress)
    case wouldBlock
    /// No descriptor or memory is left (EMFILE, ENFILE, ENOBUFS, ENOMEM): stop accepting for a while.
    case exhausted(SystemError)
}

/// What connections inherit of the listener that accepts them, which saves a call for each option and
/// connection.
package struct AcceptedOptions: Sendable {
    /// How long sent bytes may stay unacknowledged.
    package var userTimeout = Nanoseconds.seconds(20)
    /// Keeps the kernel from hiding a slow reader behind megabytes of its own buffer; nil: it may.
    package var unsentBytesMax: UInt32?

    package init() {}
}

/// A listening TCP socket. Dropping it closes it.
package struct ListenerSocket: ~Copyable {
    package let descriptor: Int32
    /// The bound address, with the port the kernel chose where it was asked to.
    package private(set) var address: SocketAddress

    /// Connections that wait to be accepted, at most. Source: listen(2).
    package static let backlogMax = 4_096

    /// Binds and listens.
    ///
    /// - Parameter sharesPort: SO_REUSEPORT, so that each worker has a listener of its own.
    /// - Throws: ``SystemError``: the address is in use, not ours, or needs privileges.
    package static func open(
        _ address: SocketAddress, sharesPort: Bool, backlog: Int32 = Int32(backlogMax),
        accepted: AcceptedOptions = AcceptedOptions()
    ) throws(SystemError) -> ListenerSocket {
        var socket = try bound(to: address, sharesPort: sharesPort)
        Transport.tune(socket.descriptor, userTimeout: accepted.userTimeout)
        if let bytes = accepted.unsentBytesMax {
            sluice_not_sent_low_water(socket.descriptor, bytes)
        }
        guard listen(socket.descriptor, backlog) == 0 else { throw SystemError(call: "listen") }
        if let bound = localAddress(of: socket.descriptor) { socket.address = bound }
        return socket
    }

    /// Whether somebody listens there already, who may be willing to share the port.
    package static func isTaken(_ address: SocketAddress) -> Bool {
        do throws(SystemError) {
            // Bound and closed again without ever listening: it takes nobody's connection.
            _ = try bound(to: address, sharesPort: false)
            return false
        } catch {
            return error.isAddressInUse
        }
    }

    /// Not yet listening.
    private static func bound(to address: SocketAddress, sharesPort: Bool) throws(SystemError)
        -> ListenerSocket
    {
        let descriptor = sluice_stream_socket(address.family)
        guard descriptor >= 0 else { throw SystemError(call: "socket") }
        let socket = ListenerSocket(descriptor: descriptor, address: address)
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, size)
        if sharesPort {
            guard unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &one, size) == 0 else {
                throw SystemError(call: "setsockopt SO_REUSEPORT")
            }
        }
        if address.isIPv6 {
            var zero: Int32 = 0
            _ = unsafe setsockopt(
                descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &zero, size)
        }
        guard unsafe address.withSockaddr({ unsafe bind(descriptor, $0, $1) }) == 0 else {
            throw SystemError(call: "bind")
        }
        return socket
    }

    private init(descriptor: Int32, address: SocketAddress) {
        self.descriptor = descriptor
        self.address = address
    }

    deinit { close(descriptor) }

    /// Accepts one connection. Source: accept(2).
    package func accept() -> AcceptResult {
        while true {
            var storage = sockaddr_storage()
            var length: socklen_t = 0
            let accepted = unsafe sluice_accept(descriptor, &storage, &length)
            if accepted >= 0 {
                let transport = Transport(descriptor: accepted, tls: nil)
                let unknown = SocketAddress(host: "0.0.0.0", port: 0)
                guard let peer = SocketAddress(storage) ?? unknown else { continue }
                return .connection(transport, peer: peer)
            }
            let code = errno
            switch code {
            case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                return .exhausted(SystemError(call: "accept4", code: code))
            case EINTR, ECONNABORTED, EPROTO, EPERM:
                // Errors of the connection that was to come, not of the listener: accept(2).
                continue
            default:
                return .wouldBlock
            }
        }
    }
}
