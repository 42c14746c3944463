import Safetensors

// Writes tensors to a file, and reads them.
let writer = try SafetensorsWriter(
  "model.safetensors",
  tensors: [
    SafetensorsTensor("weight", shape: [2, 3]), SafetensorsTensor("bias", shape: [2]),
  ], metadata: ["author": "me"])
try writer.append([1, 2, 3, 4, 5, 6], to: "weight")
try writer.append([0.5, -0.5], to: "bias")
try writer.commit()  // until here the path holds what it held before

let reader = try SafetensorsReader("model.safetensors")  // one file, or a set of shards
for tensor in reader.tensors { print(tensor.name, tensor.type.rawValue, tensor.shape) }
print(reader.metadata["author"] ?? "", try reader.floats("weight"))
