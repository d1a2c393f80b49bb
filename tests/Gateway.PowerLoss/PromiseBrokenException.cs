namespace Gateway.PowerLoss;

/// <summary>The log lost, doubled, changed or resurrected something, or refused a legal crash. The message says what.</summary>
internal sealed class PromiseBrokenException(string message, Exception? cause = null) : Exception(message, cause);
