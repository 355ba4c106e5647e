import Foundation
import Testing

@testable import SluiceProxy

@Suite struct PageJSONTests {
    @Test(arguments: [
        "", "plain", "93 °C", "modèle 模型 🚰", "quote \" and \\ and /",
        "line\nbreak\ttab\u{0}\u{1F}\u{7F}",
    ])
    func `a string comes back as it was`(text: String) throws {
        let json = PageJSON.object([("key", PageJSON.quoted(text))])
        let read = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: String]
        #expect(read == ["key": text])
    }

    @Test func `what need not be escaped stays readable`() {
        #expect(PageJSON.quoted("93 °C <b> \"x\"") == #""93 °C <b> \"x\"""#)
    }
}
