/** ONNX's protobuf messages and their encoder. */
export { create, toBinary } from "npm:@bufbuild/protobuf@2.17.0";
export {
  ModelProtoSchema,
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
} from "npm:onnx-buf@1.20.0-1";
export type { MessageInitShape } from "npm:@bufbuild/protobuf@2.17.0";
