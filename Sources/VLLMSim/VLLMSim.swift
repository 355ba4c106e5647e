@main struct VLLMSim { static func main() {} }
