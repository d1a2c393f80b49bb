using System.CommandLine;

namespace Gateway.Ctl.Operator;

/// <summary><c>token</c>: what the operator's page, or a Prometheus, shows to a node that asks who is there.</summary>
internal static class TokenCommand
{
    public static Command Create(CommonOptions common, CtlEnvironment environment)
    {
        // The token to act stays in here: whoever holds the secret makes it anew, and nobody else needs it.
        var scope = new Argument<string>("SCOPE") { Description = "look: see everything under pseudonyms; scrape: read /metrics" };
        scope.AcceptOnlyFromAmong("look", "scrape");
        var command = new Command("token", "prints a token derived from the node's secret: a person's to look, or a scraper's") { scope };
        command.SetAction(parse =>
        {
            var token = OperatorClient.TokenOf(common.SecretOf(parse, environment), parse.GetValue(scope) == "look" ? OperatorClient.LookLabel : OperatorClient.ScrapeLabel);
            common.OutputOf(parse, environment).Write(new { token }, () => token);
            return ExitCode.Ok;
        });
        return command;
    }
}
