import Glibc

/// What the machine, or the container, calls itself.
package enum HostName {
    /// Bytes of a name at most. Source: hostname(7), HOST_NAME_MAX.
    private static let bytesMax = 64

    /// Nil where the kernel does not say. Source: gethostname(2).
    package static var current: String? {
        var name = [CChar](repeating: 0, count: bytesMax + 1)
        // Safety: the call is told one byte less than there is, so that the last stays zero.
        guard unsafe gethostname(&name, bytesMax) == 0 else { return nil }
        let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
}
