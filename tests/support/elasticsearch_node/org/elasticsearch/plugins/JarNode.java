package org.elasticsearch.plugins;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.transport.netty4.Netty4Plugin;

/**
 * A whole Elasticsearch node, put together from the jars on the class path.
 *
 * <p>Usage: {@code JarNode FOLDER [setting=value ...]}. Prints {@code ready URL} once it answers
 * and runs until SIGTERM. Its package is one of Elasticsearch's own because a plug-in that is not
 * unpacked on disk can only be handed over through package-private constructors.
 */
public final class JarNode {

    private static final String NAME = "klinecast-test-node";
    private static final TimeValue START_LIMIT = TimeValue.timeValueMinutes(2);

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]).toRealPath();
        Settings.Builder chosen = Settings.builder();
        chosen.put("path.home", folder.toString());
        for (int i = 1; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            chosen.put(pair[0], pair[1]);
        }
        try {
            Node node = open(folder, chosen.build());
            int port = node.injector()
                .getInstance(HttpServerTransport.class)
                .boundAddress()
                .publishAddress()
                .getPort();
            System.out.println("ready http://127.0.0.1:" + port);
            // Every thread of the node is a daemon: this one keeps the process alive.
            new Semaphore(0).acquire();
        } catch (Exception error) {
            error.printStackTrace();
            System.exit(1);
        }
    }

    private static Node open(Path folder, Settings settings) throws Exception {
        Path config = Files.createDirectories(folder.resolve("config"));
        Environment environment =
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), config, () -> NAME);
        LogConfigurator.setNodeName(NAME);
        LogConfigurator.configureWithoutConfig(environment.settings());

        Node node = new Node(environment, new Netty4FromJar(folder));
        ClusterService cluster = node.injector().getInstance(ClusterService.class);
        node.injector().getInstance(RestController.class).registerHandler(new Greeting(cluster));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
        node.start();
        // Answers before the cluster's state is recovered would tell of missing indices.
        node.client().admin().cluster().prepareHealth(START_LIMIT)
            .setWaitForYellowStatus().setTimeout(START_LIMIT).get();
        return node;
    }

    private static void close(Node node) {
        try {
            node.close();
            node.awaitClose(10, TimeUnit.SECONDS);
        } catch (Exception error) {
            error.printStackTrace();
        }
    }

    /** Offers the HTTP transport of the class path as if it lay unpacked under modules/. */
    private static final class Netty4FromJar extends PluginsLoader {

        private final PluginBundle bundle;

        Netty4FromJar(Path folder) throws Exception {
            this(new PluginBundle(descriptor(), Files.createDirectories(folder.resolve("empty"))));
        }

        @SuppressWarnings({ "rawtypes", "unchecked" })
        private Netty4FromJar(PluginBundle bundle) {
            super(Set.of(bundle), Set.of(), (Map) Map.of());
            this.bundle = bundle;
        }

        private static PluginDescriptor descriptor() throws Exception {
            String version = Build.current().version();
            String properties = "name=transport-netty4\n"
                + "description=HTTP\n"
                + "version=" + version + "\n"
                + "elasticsearch.version=" + version + "\n"
                + "java.version=" + Runtime.version().feature() + "\n"
                + "classname=" + Netty4Plugin.class.getName() + "\n";
            return PluginDescriptor.readInternalDescriptorFromStream(
                new ByteArrayInputStream(properties.getBytes(StandardCharsets.ISO_8859_1)));
        }

        @Override
        public Stream<PluginLayer> pluginLayers() {
            return Stream.of(new PluginLayer() {
                @Override
                public PluginBundle pluginBundle() {
                    return bundle;
                }

                @Override
                public ClassLoader pluginClassLoader() {
                    return JarNode.class.getClassLoader();
                }

                @Override
                public ModuleLayer pluginModuleLayer() {
                    return ModuleLayer.boot();
                }
            });
        }
    }

    /** Answers GET and HEAD of "/", which clients ask first; the module that does is not published. */
    private static final class Greeting extends BaseRestHandler {

        private final ClusterService cluster;

        Greeting(ClusterService cluster) {
            this.cluster = cluster;
        }

        @Override
        public String getName() {
            return "greeting";
        }

        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            Build build = Build.current();
            return channel -> channel.sendResponse(new RestResponse(
                RestStatus.OK,
                channel.newBuilder()
                    .startObject()
                    .field("name", NAME)
                    .field("cluster_name", cluster.getClusterName().value())
                    .field("cluster_uuid", cluster.state().metadata().clusterUUID())
                    .startObject("version")
                    .field("number", build.version())
                    .field("build_flavor", build.flavor())
                    .field("minimum_wire_compatibility_version", build.minWireCompatVersion())
                    .endObject()
                    .field("tagline", "You Know, for Search")
                    .endObject()));
        }
    }
}
