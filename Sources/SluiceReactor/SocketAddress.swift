import Glibc

/// An IPv4 or IPv6 address with a port, as the kernel takes it.
package struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// The address in network order; IPv4 in the first four bytes.
    private var high: UInt64
    private var low: UInt64
    package private(set) var isIPv6: Bool
    /// 0 … 65535; 0 lets the kernel choose.
    package var port: UInt16

    /// Reads `127.0.0.1:80`, `[::1]:80` or `:80` (every IPv4 address); no names.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        self.init(host: host.isEmpty ? "0.0.0.0" : host, port: port)
    }

    /// Reads an address literal; no names. Source: inet_pton(3).
    package init?(host: String, port: UInt16) {
        var four = in_addr()
        var six = in6_addr()
        self.port = port
        if unsafe inet_pton(AF_INET, host, &four) == 1 {
            high = UInt64(four.s_addr)
            low = 0
            isIPv6 = false
        } else if unsafe inet_pton(AF_INET6, host, &six) == 1 {
            (high, low) = unsafe withUnsafeBytes(of: &six) { bytes in
                unsafe (bytes.load(as: UInt64.self), bytes.load(fromByteOffset: 8, as: UInt64.self))
            }
            isIPv6 = true
        } else {
            return nil
        }
    }

    /// What accept(2) or getsockname(2) filled in; nil for other families.
    init?(_ storage: sockaddr_storage) {
        var storage = storage
        switch Int32(storage.ss_family) {
        case AF_INET:
            // Safety: the family says that the storage holds a sockaddr_in.
            let address = unsafe withUnsafeBytes(of: &storage) {
                unsafe $0.load(as: sockaddr_in.self)
            }
            high = UInt64(address.sin_addr.s_addr)
            low = 0
            port = UInt16(bigEndian: address.sin_port)
            isIPv6 = false
        case AF_INET6:
            let address = unsafe withUnsafeBytes(of: &storage) {
                unsafe $0.load(as: sockaddr_in6.self)
            }
            (high, low) = unsafe withUnsafeBytes(of: address.sin6_addr) { bytes in
                unsafe (bytes.load(as: UInt64.self), bytes.load(fromByteOffset: 8, as: UInt64.self))
            }
            port = UInt16(bigEndian: address.sin6_port)
            isIPv6 = true
        default: return nil
        }
    }

    var family: Int32 { isIPv6 ? AF_INET6 : AF_INET }

    /// Whether this is 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
        isIPv6 ? high == 0 && low == UInt64(1).bigEndian : UInt8(truncatingIfNeeded: high) == 127
    }

    /// Calls `body` with the address in the kernel's form.
    func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        if isIPv6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { bytes in
                unsafe bytes.storeBytes(of: high, as: UInt64.self)
                unsafe bytes.storeBytes(of: low, toByteOffset: 8, as: UInt64.self)
            }
            return unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(truncatingIfNeeded: high)
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// The address without the port, no brackets. Source: inet_ntop(3).
    package var host: String {
        var text = [CChar](repeating: 0, count: 46)
        if isIPv6 {
            var pair = (high, low)
            _ = unsafe inet_ntop(AF_INET6, &pair, &text, 46)
        } else {
            var four = UInt32(truncatingIfNeeded: high)
            _ = unsafe inet_ntop(AF_INET, &four, &text, 46)
        }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    package var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// All stream addresses of a host name. Blocks: never on an event loop. Source: getaddrinfo(3).
    package static func resolve(host: String, port: UInt16) -> Result<[SocketAddress], ResolveError>
    {
        if let literal = SocketAddress(host: host, port: port) { return .success([literal]) }
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else {
            return .failure(
                ResolveError(host: host, reason: unsafe String(cString: gai_strerror(code))))
        }
        defer { unsafe freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var entry = unsafe list
        while let current = unsafe entry {
            var storage = sockaddr_storage()
            // Safety: ai_addr has ai_addrlen bytes, at most those of a sockaddr_storage.
            unsafe memcpy(
                &storage, current.pointee.ai_addr,
                min(Int(current.pointee.ai_addrlen), MemoryLayout<sockaddr_storage>.size))
            if var address = SocketAddress(storage) {
                address.port = port
                if !found.contains(address) { found.append(address) }
            }
            unsafe entry = unsafe current.pointee.ai_next
        }
        return .success(found)
    }
}

/// A host name that did not resolve.
package struct ResolveError: Error, CustomStringConvertible {
    package let host: String
    package let reason: String
    package var description: String { "\(host): \(reason)" }

    package init(host: String, reason: String) {
        self.host = host
        self.reason = reason
    }
}

extension SocketAddress {
    /// Whether the first `bits` bits of both addresses are equal; IPv4-mapped IPv6 counts as IPv4.
    package func sharesPrefix(_ other: SocketAddress, bits: Int) -> Bool {
        let (a, b) = (unmapped, other.unmapped)
        guard a.isIPv6 == b.isIPv6 else { return false }
        if !a.isIPv6 {
            let difference =
                UInt32(bigEndian: UInt32(truncatingIfNeeded: a.high))
                ^ UInt32(bigEndian: UInt32(truncatingIfNeeded: b.high))
            return bits <= 0 || difference >> UInt32(32 - min(bits, 32)) == 0
        }
        let high = UInt64(bigEndian: a.high ^ b.high)
        let low = UInt64(bigEndian: a.low ^ b.low)
        if bits <= 0 { return true }
        if bits <= 64 { return high >> UInt64(64 - bits) == 0 }
        return high == 0 && low >> UInt64(128 - min(bits, 128)) == 0
    }

    /// `::ffff:a.b.c.d` as the IPv4 address it is.
    private var unmapped: SocketAddress {
        guard isIPv6, high == 0, UInt64(bigEndian: low) >> 32 == 0xFFFF else { return self }
        var four = self
        four.high = UInt64(UInt32(truncatingIfNeeded: UInt64(bigEndian: low)).bigEndian)
        four.low = 0
        four.isIPv6 = false
        return four
    }
}
