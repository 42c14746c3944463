import Descent
import FuzzLimits

/// Each line of the input is an entry of the metadata: its key, a space, its text. The file has the
/// states that Adam has of a tensor `w`, under PyTorch's names if the first line is PyTorch's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = UnsafeBufferPointer(start: bytes, count: count)
  var header = Array(#"{"__metadata__":{"#.utf8)
  for (index, line) in input.split(separator: 0x0a).enumerated() {
    if index > 0 { header.append(0x2c) }
    let key = line.prefix { $0 != 0x20 }
    append(key, to: &header)
    header.append(0x3a)
    append(line.dropFirst(key.count + 1), to: &header)
  }
  header.append(0x7d)
  let states = input.starts(with: "pytorch".utf8) ? ["exp_avg", "exp_avg_sq"] : ["m", "v"]
  let tensors = ["w"] + states.map { "optimizer.\($0).w" }
  for (place, name) in tensors.enumerated() {
    header +=
      #","\#(name)":{"dtype":"F32","shape":[2],"data_offsets":[\#(8 * place),\#(8 * place + 8)]}"#
      .utf8
  }
  header.append(0x7d)
  var length = UInt64(header.count)
  guard let path = fuzz_file(&length, 8, header, header.count, 8 * tensors.count) else { return 0 }
  let name = String(cString: path)
  fuzz_begin(count)
  do {
    let checkpoint = try Checkpoint(name)
    _ = checkpoint.hasParameters
    try checkpoint.verify()
  } catch {
    _ = "\(error)"
  }
  return fuzz_end()
}

private func append(_ text: some Sequence<UInt8>, to header: inout [UInt8]) {
  header.append(0x22)
  for byte in text {
    if byte == 0x22 || byte == 0x5c { header.append(0x5c) }
    header.append(byte)
  }
  header.append(0x22)
}
