using Microsoft.Extensions.Logging;

namespace Gateway.Server.Node;

/// <summary>Builds the node from the parts that the options ask for.</summary>
public static class NodeFactory
{
    public static INode Create(GatewayOptions options, NodeKeys keys, ILoggerFactory logs) => new GatewayNode(options, keys, logs, TimeProvider.System);
}
