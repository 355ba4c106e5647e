import SluiceExchange
import Testing

@testable import SluiceProxy

@Suite struct ReplicaDirectoryTests {
    private func label(_ name: String, _ directory: inout ReplicaDirectory) -> UInt16? {
        let bytes = Array(name.utf8)
        return directory.model(bytes.span)?.label
    }

    @Test func `a model is found whatever was asked for before it, and whatever has changed since`()
    {
        var settings = GatewaySettings()
        settings.pools = [PoolSettings(name: "a")]
        var directory = ReplicaDirectory(settings)
        let long = String(repeating: "m", count: 120)
        let names = ["llama", "llamb", "llama-2", long, long + "x", "l"]
        #expect(label("llama", &directory) == nil)
        for (index, name) in names.enumerated() {
            directory.add(model: name, pool: 0, label: UInt16(index))
            // What was remembered has moved, or not: it is found where it is.
            for (known, name) in names.prefix(index + 1).enumerated() {
                #expect(label(name, &directory) == UInt16(known))
                #expect(label(name, &directory) == UInt16(known), "asked for again")
            }
        }
        for missing in ["", "llam", "llamc", String(long.dropLast()), long + "y"] {
            #expect(label(missing, &directory) == nil)
        }
        #expect(label("llama", &directory) == 0)
        directory.removeModels()
        #expect(label("llama", &directory) == nil)
        directory.add(model: "llama", pool: 0, label: 9)
        #expect(label("llama", &directory) == 9)
    }
}
