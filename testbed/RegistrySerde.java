import io.apicurio.registry.serde.SerdeConfig;
import io.apicurio.registry.serde.avro.AvroKafkaDeserializer;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Scanner;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;

/**
 * What producers and consumers in Java use. Arguments: the registry, the topic and, to write, the schema. Each line of
 * standard input is a record: in Avro's JSON to be written, in hex to be read. Its other form is a line of output.
 */
public class RegistrySerde {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> config = new HashMap<>();
        config.put(SerdeConfig.REGISTRY_URL, arguments[0]);
        config.put(SerdeConfig.ENABLE_CONFLUENT_ID_HANDLER, true);  // four bytes, as Confluent's
        config.put(SerdeConfig.USE_ID, "contentId");  // the number by which Confluent's interface knows a schema
        config.put(SerdeConfig.AUTO_REGISTER_ARTIFACT, true);
        Scanner lines = new Scanner(System.in, StandardCharsets.UTF_8);
        if (arguments.length > 2) {
            write(config, arguments[1], new Schema.Parser().parse(arguments[2]), lines);
        } else {
            read(config, arguments[1], lines);
        }
    }

    private static void write(Map<String, Object> config, String topic, Schema schema, Scanner lines) throws Exception {
        try (AvroKafkaSerializer<GenericRecord> serializer = new AvroKafkaSerializer<>()) {
            serializer.configure(config, false);
            GenericDatumReader<GenericRecord> reader = new GenericDatumReader<>(schema);
            while (lines.hasNextLine()) {
                var decoder = DecoderFactory.get().jsonDecoder(schema, lines.nextLine());
                byte[] record = serializer.serialize(topic, reader.read(null, decoder));
                System.out.println(HexFormat.of().formatHex(record));
            }
        }
    }

    private static void read(Map<String, Object> config, String topic, Scanner lines) {
        try (AvroKafkaDeserializer<GenericRecord> deserializer = new AvroKafkaDeserializer<>()) {
            deserializer.configure(config, false);
            while (lines.hasNextLine()) {
                byte[] record = HexFormat.of().parseHex(lines.nextLine());
                System.out.println(deserializer.deserialize(topic, record));
            }
        }
    }
}
